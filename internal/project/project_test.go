package project_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/dvc/dvctest"
	"github.com/perennial-ml/perennial/internal/project"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is Perennial's own repository, which is the demo project.
const root = "../.."

func list(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		b, err := os.ReadFile(path) //nolint:gosec // the test's own directory
		files[filepath.ToSlash(rel)] = string(b)
		return err
	}))
	return files
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func TestDemoIsThisRepository(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	require.False(t, project.Find(dir))
	require.NoError(t, project.Init(dir, true))
	require.True(t, project.Find(dir))
	files := list(t, dir)
	for name, text := range files {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		require.NoError(t, err)
		if name == ".gitignore" {
			require.Contains(t, string(b), text)
			continue
		}
		require.Equal(t, string(b), text, name)
	}
	for _, name := range []string{
		"data/.gitattributes", "data/iris.md", "data/raw/.gitignore", "data/raw/iris.csv.dvc", "data/california-housing.md", "dvc.yaml", ".dvc/config", ".dvcignore",
		"pipelines/iris.yaml", "pipelines/iris.schema.yaml", "pipelines/iris.split.csv", "pipelines/california-housing.yaml", "models/trained/.gitignore",
	} {
		require.Contains(t, files, name)
	}
	for name := range files {
		require.False(t, strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".tmp") || strings.HasPrefix(name, "data/raw/") && strings.HasSuffix(name, ".csv"), name)
	}
}

func TestDemoRestoresItsData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, project.Init(dir, true))
	r, err := dvc.Open(dir)
	require.NoError(t, err)
	pulled, err := r.Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"data/raw/california-housing.csv", "data/raw/iris.csv"}, pulled)
	for name, want := range map[string]struct {
		md5, header string
		rows        int
	}{
		"california-housing": {"ca5b757f0729c68d74d05bf9d9ca8486", "MedInc,HouseAge,AveRooms,AveBedrms,Population,AveOccup,Latitude,Longitude,MedHouseVal", 20640},
		"iris":               {"013d0da08d6506664ce640459139176b", "sepal_length,sepal_width,petal_length,petal_width,species", 150},
	} {
		file := filepath.Join(dir, "data/raw", name+".csv")
		sum, _, err := dvc.HashFile(file)
		require.NoError(t, err)
		require.Equal(t, want.md5, sum)
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(b), "\r")
		lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
		require.Equal(t, want.header, lines[0])
		require.Len(t, lines, want.rows+1)
		card, err := os.ReadFile(filepath.Join(dir, "data", name+".md"))
		require.NoError(t, err)
		require.Contains(t, string(card), want.md5)
	}
}

// What dvc status and dvc pull say in a fresh clone: where this fails after a
// change to data or pipelines, train both pipelines with --wait and dvc push.
func TestLockOfThisRepository(t *testing.T) {
	t.Parallel()
	repo, err := dvc.Open(root)
	require.NoError(t, err)
	tracked := map[string]string{}
	pointers, err := repo.Pointers(t.Context())
	require.NoError(t, err)
	for _, p := range pointers {
		tracked[p.Path] = p.MD5
	}
	var names []string
	for _, s := range dvctest.Stages(t, root) {
		names = append(names, s.Name)
		for _, e := range slices.Concat(s.Deps, s.Outs) {
			if sum, ok := tracked[e.Path]; ok {
				require.Equal(t, sum, e.MD5, "dvc.lock has another version of %s than its pointer", e.Path)
				continue
			}
			file := filepath.Join(root, filepath.FromSlash(e.Path))
			if strings.HasSuffix(e.Path, ".model") {
				file = filepath.Join(root, "data/remote/files/md5", e.MD5[:2], e.MD5[2:])
			}
			sum, size, err := dvc.HashFile(file)
			require.NoError(t, err)
			require.Equal(t, dvc.Entry{Path: e.Path, MD5: sum, Size: size}, e, "%s: %s changed since it was trained", s.Name, e.Path)
		}
	}
	require.ElementsMatch(t, []string{"train-iris", "train-california-housing"}, names)
}

func TestEmptyProject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, project.Init(dir, false))
	require.True(t, project.Find(dir))
	files := list(t, dir)
	require.Len(t, files, 5)
	b, err := os.ReadFile("../dvc/testdata/reference.json") // by real DVC
	require.NoError(t, err)
	var reference struct {
		Project struct{ Init map[string]string }
	}
	require.NoError(t, json.Unmarshal(b, &reference))
	require.Equal(t, reference.Project.Init[".dvc/.gitignore"], files[".dvc/.gitignore"])
	require.Equal(t, reference.Project.Init[".dvcignore"]+"/.perennial\n", files[".dvcignore"])
	require.DirExists(t, filepath.Join(dir, "data/raw"))
	r, err := dvc.Open(dir)
	require.NoError(t, err)
	write(t, dir, "data/raw/mine.csv", "a,b\n")
	_, err = r.Add(t.Context(), "data/raw/mine.csv")
	require.NoError(t, err)
}

func TestInitKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".gitignore", "/mine")
	write(t, dir, "dvc.yaml", "stages: {mine: {cmd: x}}\n")
	write(t, dir, ".dvc/config", "[core]\n    remote = mine\n['remote \"mine\"']\n    url = /elsewhere\n")
	before := list(t, dir)
	require.NoError(t, project.Init(dir, false))
	after := list(t, dir)
	require.Equal(t, "/mine\n/.perennial/\n", after[".gitignore"])
	for _, name := range []string{"dvc.yaml", ".dvc/config"} {
		require.Equal(t, before[name], after[name])
	}
	require.True(t, project.Find(dir))
}

func TestDemoRefusesToOverwrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "pipelines/iris.yaml", "name: mine\n")
	write(t, dir, "dvc.yaml", "stages: {}\n")
	before := list(t, dir)
	err := project.Init(dir, true)
	require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err))
	_, hint, fields := perennial.Explain(err)
	require.NotEmpty(t, hint)
	require.Len(t, fields, 2)
	require.Equal(t, before, list(t, dir), "nothing was written")
}

func TestHalfWrittenDemoIsCompleted(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	require.NoError(t, project.Init(whole, true))
	want := list(t, whole)
	for name := range want {
		dir := t.TempDir()
		for other, text := range want { // one file and the marker, which comes last, are still missing
			if other != name && other != ".dvc/config" {
				write(t, dir, other, text)
			}
		}
		require.False(t, project.Find(dir))
		require.NoError(t, project.Init(dir, true))
		require.Equal(t, want, list(t, dir))
	}
}

func TestCompleteProjectIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, project.Init(dir, true))
	write(t, dir, "pipelines/iris.yaml", "# mine\n")
	before := list(t, dir)
	require.NoError(t, project.Init(dir, true))
	require.NoError(t, project.Init(dir, false))
	require.Equal(t, before, list(t, dir))
}

func TestUnwritableDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "file", "")
	for _, demo := range []bool{false, true} {
		err := project.Init(filepath.Join(dir, "file"), demo)
		require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	}
	write(t, dir, "p/pipelines", "a file where a directory should be")
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(project.Init(filepath.Join(dir, "p"), false)))
	require.False(t, project.Find(filepath.Join(dir, "p")))
}

func TestCommit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	run := func(args ...string) string {
		c := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	check := func(sub, wantCommit string, wantDirty bool) {
		t.Helper()
		commit, dirty := project.Commit(t.Context(), filepath.Join(dir, sub))
		require.Equal(t, wantCommit, commit)
		require.Equal(t, wantDirty, dirty)
	}
	check("", "", false)
	check("nowhere", "", false)
	run("init", "-q")
	check("", "", false)
	write(t, dir, ".gitignore", "/state/\n")
	write(t, dir, "p/pipelines/a.yaml", "name: a\n")
	run("add", ".")
	run("commit", "-q", "-m", "one")
	head := run("rev-parse", "HEAD")
	check("", head, false)
	check("p", head, false)
	write(t, dir, "state/demo/x", "x")
	check("", head, false)
	check("state/demo", "", false)
	write(t, dir, "elsewhere", "new")
	check("", head, true)
	check("p", head, false)
	write(t, dir, "p/pipelines/a.yaml", "name: b\n")
	check("p", head, true)
}

func TestPartOfAProject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Empty(t, project.Part(dir))
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".dvc"), 0o700))
	require.Equal(t, ".dvc/ but no pipelines/", project.Part(dir))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "pipelines"), 0o700))
	require.Equal(t, "pipelines/ but no .dvc/config", project.Part(dir))
	require.NoError(t, project.Init(dir, false))
	require.Empty(t, project.Part(dir))
}
