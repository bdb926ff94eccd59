package control

import (
	"context"

	"github.com/perennial-ml/perennial"
)

// DeleteVersion deletes a version that nothing holds; its number is never used
// again, its run and model file stay. Errors: not_found, precondition for a held one
// (see Held).
func (c *Control) DeleteVersion(ctx context.Context, model, version, reason string) error {
	const op = "control.DeleteVersion"
	if _, err := authorise(ctx, op, perennial.AccessOperator); err != nil {
		return err
	}
	v, err := c.o.Registry.GetVersion(ctx, model, version)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	if err := c.Held(ctx, model, version); err != nil {
		return perennial.Wrap(op, err)
	}
	err = insist(ctx, func(again bool) error {
		err := c.o.Registry.DeleteVersion(ctx, model, version)
		if again && perennial.CodeOf(err) == perennial.CodeNotFound {
			return nil // the try before did it
		}
		return err
	})
	if err != nil {
		return perennial.Wrap(op, err)
	}
	return c.record(ctx, perennial.AuditEntry{Action: "version.delete", Target: model, Reason: reason, Before: state(map[string]any{
		"version": version, "model_sha256": v.Lineage.ModelSHA256,
	})})
}
