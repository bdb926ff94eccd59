package main

import (
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func (c *cli) newDataLineage() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "lineage MD5|PATH",
		Short:   "Show which runs, versions and predictions came of a data file's content",
		Long:    "Show which runs, versions and predictions came of a content: by its md5, or that which a data file's pointer names now.",
		Example: "  perennial data lineage data/raw/iris.csv\n  perennial data lineage 013d0da08d6506664ce640459139176b",
		Args:    cobra.ExactArgs(1),
	}
	dir := projectFlag(cmd, dvcDir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		md5, err := contentOf(cmd, api, *dir, args[0])
		if err != nil {
			return err
		}
		v, err := api.DataLineage(cmd.Context(), md5)
		if err != nil {
			return err
		}
		return c.print(v, func(w io.Writer) { showDataLineage(w, v) })
	}
	return cmd
}

var md5RE = regexp.MustCompile(`^[0-9a-f]{32}(\.dir)?$`)

// contentOf gives the md5 that is meant: itself, that of a path's pointer in the
// project, or what the API has registered for the path.
func contentOf(cmd *cobra.Command, api *client.Client, dir, arg string) (string, error) {
	ctx := cmd.Context()
	if md5RE.MatchString(arg) {
		return arg, nil
	}
	paths, err := locate(cmd, dir).inProject([]string{arg})
	if err != nil {
		return "", err
	}
	repo, err := dvc.Open(dir)
	if err == nil {
		var p dvc.Pointer
		if p, err = repo.Pointer(ctx, paths[0]); err == nil {
			return p.MD5, nil
		}
	}
	if perennial.CodeOf(err) != perennial.CodeNotFound {
		return "", err
	}
	d, apiErr := api.Dataset(ctx, paths[0])
	if perennial.CodeOf(apiErr) == perennial.CodeNotFound {
		_, hint, _ := perennial.Explain(err)
		return "", perennial.Errorf(perennial.CodeNotFound, "cli.contentOf", "%s is neither an md5, of 32 digits 0-9 and a-f, nor data that the project or the API knows", arg).
			WithHint("%s", hint).Because(err)
	}
	return d.MD5, apiErr
}

func showDataLineage(w io.Writer, v client.DataLineageView) {
	field(w, "md5", v.MD5)
	field(w, "path", joined(v.Paths))
	field(w, "runs", len(v.Runs))
	field(w, "versions", len(v.Versions))
	field(w, "predictions", v.Predictions)
	if len(v.Runs) > 0 {
		row(w)
		row(w, "RUN", "PIPELINE", "KIND", "STATUS", "OUTCOME", "COMMIT", "STARTED")
		for _, r := range v.Runs {
			row(w, r.RunID, dash(r.Pipeline), dash(r.Kind), r.Status, dash(r.Outcome), dash(short(r.ProjectCommit)), when(r.StartedAt))
		}
	}
	if len(v.Versions) > 0 {
		row(w)
		row(w, "MODEL", "VERSION", "ALIASES", "ALGORITHM", "RUN", "PREDICTIONS", "CREATED")
		for _, m := range v.Versions {
			row(w, m.Model, m.Version, dash(joined(m.Aliases)), dash(m.Algorithm), dash(m.RunID), fmt.Sprint(m.Predictions), when(m.CreatedAt))
		}
	}
}
