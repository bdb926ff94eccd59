package activities

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// AliasRegistry moves aliases. GetModel answers not_found for an unknown model,
// SetAlias for an unknown version.
type AliasRegistry interface {
	GetModel(ctx context.Context, name string) (perennial.RegisteredModel, error)
	SetAlias(ctx context.Context, model, alias, version string) error
	DeleteAlias(ctx context.Context, model, alias string) error
}

// AliasTraffic is what the aliases follow, and what is noted of them.
type AliasTraffic interface {
	Get(ctx context.Context, model string) (perennial.Traffic, error)
	AliasWanted(ctx context.Context, model, alias, version string) error
	AliasSeen(ctx context.Context, model, alias, version string) error
}

// projectTries is how often the aliases are set after a row that changes
// meanwhile. Whoever changes it sets them too.
const projectTries = 3

// Project makes a model's aliases champion and challenger say what its traffic
// row says. Each move is noted before and after it is made, so that it is never
// taken for one by somebody else. A version that the registry doesn't know can't
// have an alias, and a model without a row has none of these. Safe to repeat.
func Project(ctx context.Context, registry AliasRegistry, traffic AliasTraffic, model string) error {
	ctx = mlflow.Decided(ctx)
	row, err := traffic.Get(ctx, model)
	for range projectTries {
		if err != nil || row.Mode == perennial.ModeNone {
			return err
		}
		if err := setAliases(ctx, registry, traffic, row); err != nil {
			return err
		}
		epoch := row.Epoch
		if row, err = traffic.Get(ctx, model); row.Epoch == epoch {
			return err
		}
	}
	return err
}

func setAliases(ctx context.Context, registry AliasRegistry, traffic AliasTraffic, row perennial.Traffic) error {
	m, err := registry.GetModel(ctx, row.Model)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for _, a := range []struct{ alias, version string }{{perennial.AliasChampion, row.Champion}, {perennial.AliasChallenger, row.Challenger}} {
		if m.Aliases[a.alias] == a.version {
			if err := traffic.AliasSeen(ctx, row.Model, a.alias, a.version); err != nil {
				return err
			}
			continue
		}
		if err := traffic.AliasWanted(ctx, row.Model, a.alias, a.version); err != nil {
			return err
		}
		if a.version == "" {
			err = registry.DeleteAlias(ctx, row.Model, a.alias)
		} else {
			err = registry.SetAlias(ctx, row.Model, a.alias, a.version)
		}
		if perennial.CodeOf(err) == perennial.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		if err := traffic.AliasSeen(ctx, row.Model, a.alias, a.version); err != nil {
			return err
		}
	}
	return nil
}

// project makes a model's aliases follow its traffic row.
func (a *Activities) project(ctx context.Context, model string) error {
	return Project(ctx, a.Tracker, a.Traffic, model)
}
