package tracking

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// artifactPrefixes are where files are put and got by their whole path.
var artifactPrefixes = []string{"/api/2.0/mlflow-artifacts/artifacts", "/ajax-api/2.0/mlflow-artifacts/artifacts"}

func (s *Server) artifactRoutes() {
	for _, prefix := range artifactPrefixes {
		s.add(http.MethodGet, prefix, s.listFolder)
		s.add(http.MethodGet, prefix+"/*", s.getFile)
		s.add(http.MethodPut, prefix+"/*", s.putFile)
		s.add(http.MethodDelete, prefix+"/*", s.deleteFile)
	}
	handle(s, http.MethodGet, "artifacts/list", s.listArtifacts)
	handle(s, http.MethodGet, "logged-models/:model_id/artifacts/directories", s.listModelArtifacts)
	for _, prefix := range []string{"", "/ajax-api/2.0/mlflow"} {
		s.add(http.MethodGet, prefix+"/get-artifact", s.runFile)
		s.add(http.MethodGet, prefix+"/model-versions/get-artifact", s.versionFile)
	}
	for _, prefix := range rpcPrefixes {
		s.add(http.MethodGet, prefix+"logged-models/:model_id/artifacts/files", s.modelFile)
	}
}

// Streams reports whether a request's body is a file, which the handler reads as
// it comes: it may be as large as MaxUpload, and nobody else may take it in.
func (s *Server) Streams(method, path string) bool {
	return method == http.MethodPut && (strings.HasPrefix(path, artifactPrefixes[0]) || strings.HasPrefix(path, artifactPrefixes[1]))
}

// putFile keeps the body as a file. The bytes go to the blob store first and whole,
// then the row says where they are: an upload that breaks off leaves neither an
// object nor a row.
func (s *Server) putFile(c *fiber.Ctx) error {
	body := newUpload(c)
	err := s.keep(c, body)
	if err != nil {
		body.abandon(c)
	}
	return err
}

func (s *Server) keep(c *fiber.Ctx, body *upload) error {
	p, err := escapedPath(strings.Clone(c.Params("*")))
	switch {
	case err != nil:
		return err
	case p.path == "", strings.HasSuffix(c.Path(), "/"): // the router passes over the last slash
		return errPath()
	case body.announced > MaxUpload:
		return tooLarge()
	}
	if err := s.mayPut(c.UserContext(), p); err != nil {
		return err
	}
	key, size, err := s.blobs.PutStream(c.UserContext(), body)
	if err != nil {
		return perennial.Wrap("tracking.putFile", err)
	}
	if err := s.mayPut(c.UserContext(), p); err != nil {
		return err // the version was put into service while its file came
	}
	return s.store.putArtifact(c.UserContext(), p, key, size, s.now().UnixMilli())
}

func (s *Server) getFile(c *fiber.Ctx) error {
	p, err := escapedPath(strings.Clone(c.Params("*")))
	if err != nil {
		return err
	}
	return s.sendFile(c, p)
}

// deleteFile removes a file, or a folder with what is in it, unless a version that
// is in service needs it.
func (s *Server) deleteFile(c *fiber.Ctx) error {
	ctx := c.UserContext()
	p, err := escapedPath(strings.Clone(c.Params("*")))
	if err != nil {
		return err
	}
	if p.root == "" {
		return mlflow.Invalid("%s doesn't lie among the artifacts of one run or logged model.", p)
	}
	if err := s.ownerFree(ctx, p.owner()); err != nil {
		return err
	}
	if err := s.store.deleteFiles(ctx, p); err != nil {
		return err
	}
	return answer[mlflow.Void](c, nil)
}

// ownerFree refuses where a version was made of a run or logged model, and may not
// lose its files.
func (s *Server) ownerFree(ctx context.Context, owner string) error {
	versions, err := s.store.versionsOf(ctx, owner)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if err := s.free(ctx, v.Name, strconv.FormatInt(v.Version, 10)); err != nil {
			return err
		}
	}
	return nil
}

// mayPut refuses to write over a file of what a version was made of, and to add one
// to the version's own, where it may not lose its files.
func (s *Server) mayPut(ctx context.Context, p filePath) error {
	if p.root == "" {
		return nil
	}
	versions, err := s.store.versionsOf(ctx, p.owner())
	if err != nil || len(versions) == 0 {
		return err
	}
	there, err := s.store.hasFile(ctx, p)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if !there && !contains(cmp.Or(v.StorageLocation, v.Source), artifactScheme+"/"+p.String()) {
			continue
		}
		if err := s.free(ctx, v.Name, strconv.FormatInt(v.Version, 10)); err != nil {
			return err
		}
	}
	return nil
}

// listFolder lists a folder by its whole path; the names come without it.
func (s *Server) listFolder(c *fiber.Ctx) error {
	folder := folderName(strings.Clone(c.Query("path")))
	var p filePath
	if folder != "" && folder != "." {
		var err error
		if p, err = cleanPath(folder); err != nil {
			return err
		}
	}
	list, err := s.store.listFiles(c.UserContext(), p)
	if err != nil {
		return err
	}
	return answer(c, &mlflow.ArtifactList{Files: fileInfos("", list)})
}

// folderName takes the slash from the end of a folder's path; "/" alone leads out.
func folderName(path string) string {
	if path == "/" {
		return path
	}
	return strings.TrimSuffix(path, "/")
}

// fileInfos gives a list on the wire, its names below a folder.
func fileInfos(folder string, list []entry) []mlflow.FileInfo {
	infos := make([]mlflow.FileInfo, len(list))
	for i, e := range list {
		infos[i] = mlflow.FileInfo{Path: join(folder, e.name), IsDir: e.folder}
		if size := mlflow.Int(e.size); !e.folder {
			infos[i].FileSize = &size
		}
	}
	return infos
}

// listArtifacts lists a folder of a run.
func (s *Server) listArtifacts(ctx context.Context, in *mlflow.ListArtifacts) (*mlflow.ArtifactList, error) {
	uri, err := s.store.runURI(ctx, in.ID())
	if err != nil {
		return nil, err
	}
	return s.listBelow(ctx, uri, in.Path)
}

// modelFolder is GET logged-models/{model_id}/artifacts/directories.
type modelFolder struct {
	ModelID string `json:"model_id"`
	Folder  string `json:"artifact_directory_path"`
}

func (s *Server) listModelArtifacts(ctx context.Context, in *modelFolder) (*mlflow.ArtifactList, error) {
	uri, err := s.store.modelURI(ctx, in.ModelID)
	if err != nil {
		return nil, err
	}
	return s.listBelow(ctx, uri, in.Folder)
}

// listBelow lists a folder below the place that a URI names.
func (s *Server) listBelow(ctx context.Context, uri, folder string) (*mlflow.ArtifactList, error) {
	p, err := pathBelow(uri, folder)
	if err != nil {
		return nil, err
	}
	list, err := s.store.listFiles(ctx, p)
	if err != nil {
		return nil, err
	}
	return &mlflow.ArtifactList{RootURI: uri, Files: fileInfos(strings.TrimSuffix(folder, "/"), list)}, nil
}

// pathBelow gives where a path lies below the place that a URI names.
func pathBelow(uri, below string) (filePath, error) {
	root, err := ourRoot(uri)
	if err != nil {
		return filePath{}, err
	}
	if below = folderName(below); below == "" {
		return cleanPath(root)
	}
	if _, err := cleanPath(below); err != nil {
		return filePath{}, err
	}
	return cleanPath(join(root, below))
}

// runFile, versionFile and modelFile are the routes by which MLflow's pages show
// files.
func (s *Server) runFile(c *fiber.Ctx) error {
	id := strings.Clone(c.Query("run_id", c.Query("run_uuid")))
	uri, err := s.store.runURI(c.UserContext(), id)
	if err != nil {
		return err
	}
	return s.sendBelow(c, uri, c.Query("path"))
}

func (s *Server) versionFile(c *fiber.Ctx) error {
	uri, err := s.store.downloadURI(c.UserContext(), strings.Clone(c.Query("name")), strings.Clone(c.Query("version")))
	if err != nil {
		return err
	}
	return s.sendBelow(c, uri, c.Query("path"))
}

func (s *Server) modelFile(c *fiber.Ctx) error {
	id, err := url.PathUnescape(strings.Clone(c.Params("model_id")))
	if err != nil {
		return errPath()
	}
	uri, err := s.store.modelURI(c.UserContext(), id)
	if err != nil {
		return err
	}
	return s.sendBelow(c, uri, c.Query("artifact_file_path"))
}

func (s *Server) sendBelow(c *fiber.Ctx, uri, below string) error {
	if below == "" {
		return mlflow.Invalid("Missing value for required parameter 'path'.")
	}
	p, err := pathBelow(uri, strings.Clone(below))
	if err != nil {
		return err
	}
	return s.sendFile(c, p)
}
