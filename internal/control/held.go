package control

import (
	"context"
	"slices"

	"github.com/perennial-ml/perennial"
)

// Held refuses that a version ("" is any of the model's) is deleted, renamed or
// moved: one that is in service or rolled out, the one before it, and the last
// ones that were in service and are kept to be gone back to. So is a model that
// has a pipeline. Codes: precondition, and those of the database.
func (c *Control) Held(ctx context.Context, model, version string) error {
	const op = "control.Held"
	row, err := c.o.Traffic.Get(ctx, model)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	if version == "" {
		_, err := c.o.Pipelines.Get(ctx, model)
		switch {
		case row.Mode != perennial.ModeNone:
			return heldError(op, "Version %s of %s is in service: the model can be neither deleted nor renamed.", row.Champion, model)
		case err == nil:
			return heldError(op, "The model %s belongs to the pipeline of that name: it can be neither deleted nor renamed.", model).
				WithHint("Delete the pipeline first: perennial pipeline delete %s", model)
		case perennial.CodeOf(err) == perennial.CodeNotFound:
			return nil
		}
		return perennial.Wrap(op, err)
	}
	for _, role := range []struct{ version, role string }{{row.Champion, "in service"}, {row.Challenger, "being rolled out"}, {row.Previous, "the one before"}} {
		if role.version == version {
			return heldError(op, "Version %s of %s is %s: it is held.", version, model, role.role)
		}
	}
	kept, err := c.o.Traffic.Champions(ctx, model, c.o.KeepVersions)
	if err == nil && slices.Contains(kept, version) {
		err = heldError(op, "Version %s of %s was in service and is kept to be gone back to: it is held.", version, model)
	}
	return perennial.Wrap(op, err)
}

func heldError(op, format string, args ...any) *perennial.Error {
	return perennial.Errorf(perennial.CodePrecondition, op, format, args...)
}
