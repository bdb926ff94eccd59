package dvc

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
)

// remotes are the settings of every remote by name, as .dvc/config and over it
// .dvc/config.local have them, the keys in lower case.
type remotes map[string]map[string]string

// open makes a remote of its settings. A kind that this version can't use is no
// error but stands in the remote: it matters only when an object is needed.
func (rs remotes) open(name, dvcDir string) (Remote, error) {
	values, ok := rs[name]
	if !ok {
		e := perennial.Errorf(perennial.CodePrecondition, "", "the project has no remote %q", name).
			WithHint("Make it, as `dvc remote add %s URL` does.", name)
		if names := slices.Sorted(maps.Keys(rs)); len(names) > 0 {
			return Remote{}, e.WithHint("There are: %s.", strings.Join(names, ", "))
		}
		return Remote{}, e
	}
	r := Remote{name: name, url: values["url"]}
	if r.url == "" {
		return r, perennial.Errorf(perennial.CodeInvalid, "", ".dvc/config names the remote %q and has no url for it", name).
			WithHint("Set it: dvc remote add -f %s URL.", name)
	}
	for _, key := range []string{"version_aware", "worktree"} {
		if on, _ := strconv.ParseBool(values[key]); on {
			r.err = perennial.Errorf(perennial.CodePrecondition, "", "the remote %q has %s, another layout than this version reads", name, key).
				WithHint("Run dvc pull: Perennial finds what it puts into the project.")
			return r, nil
		}
	}
	if u, err := url.Parse(r.url); err == nil && u.Host != "" {
		if u.Scheme != "s3" {
			r.err = unsupported(r, u.Scheme)
			return r, nil
		}
		r.store, r.err = openS3(r, values, dvcDir)
		return r, nil
	}
	dir := resolve(dvcDir, r.url)
	store, err := blob.Open("file:" + dir)
	if err != nil {
		return r, err
	}
	r.store, r.dir, r.url = store, dir, dir
	if rel, err := filepath.Rel(filepath.Dir(dvcDir), dir); err == nil && filepath.IsLocal(rel) {
		r.url = filepath.ToSlash(rel)
	}
	return r, nil
}

func unsupported(r Remote, scheme string) error {
	return perennial.Errorf(perennial.CodePrecondition, "", "the remote %q is at %s, and this version has no support for %s remotes", r.name, r.url, scheme).
		WithHint("Run dvc pull: Perennial finds what it puts into the project.")
}

// envS3Endpoint names an S3 server other than AWS for all of Perennial.
const envS3Endpoint = "PERENNIAL_S3_ENDPOINT"

// openS3 opens an S3 remote by DVC's settings. Paths in them are relative to
// .dvc, as dvc reads them.
func openS3(r Remote, values map[string]string, dvcDir string) (*blob.Store, error) {
	for _, key := range []string{"sse_customer_key", "sse_customer_algorithm", "grant_read", "grant_read_acp", "grant_write_acp", "grant_full_control"} {
		if values[key] != "" {
			return nil, perennial.Errorf(perennial.CodePrecondition, "", "the remote %q sets %s, which this version doesn't know", r.name, key).
				WithHint("Use dvc push and dvc pull for it, or acl in the place of grants.")
		}
	}
	file := func(key string) string {
		if values[key] == "" {
			return ""
		}
		return resolve(dvcDir, values[key])
	}
	o := blob.S3Options{
		Endpoint: values["endpointurl"], Region: values["region"], Profile: values["profile"],
		CredentialsFile: file("credentialpath"), ConfigFile: file("configpath"),
		AccessKeyID: values["access_key_id"], SecretAccessKey: values["secret_access_key"], SessionToken: values["session_token"],
		SSE: values["sse"], KMSKeyID: values["sse_kms_key_id"], ACL: values["acl"],
	}
	if o.Endpoint == "" {
		o.Endpoint = os.Getenv(envS3Endpoint)
	}
	o.Anonymous, _ = strconv.ParseBool(values["allow_anonymous_login"])
	if verify := values["ssl_verify"]; verify != "" {
		if on, err := strconv.ParseBool(verify); err != nil {
			o.CAFile = file("ssl_verify")
		} else {
			o.SkipTLSVerify = !on
		}
	}
	if seconds, err := strconv.Atoi(values["connect_timeout"]); err == nil {
		o.ConnectTimeout = time.Duration(seconds) * time.Second
	}
	return blob.OpenWith(r.url, o)
}
