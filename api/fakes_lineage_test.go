package api_test

import (
	"context"

	"github.com/perennial-ml/perennial"
)

func (logFake) CountVersions(context.Context, string) (map[string]int64, error) {
	return map[string]int64{"1": 41, "10": 1}, nil
}

func (registryFake) RunsByData(_ context.Context, md5 string) ([]perennial.Run, error) {
	if md5 != irisDataset().MD5 {
		return nil, nil
	}
	run := fakeRun("run1", "")
	run.Tags = append(run.Tags, perennial.Tag{Key: perennial.TagPipeline, Value: "iris"}, perennial.Tag{Key: perennial.TagCommit, Value: "c0ffee"})
	run.Inputs = []perennial.DatasetInput{{Context: "training", Data: perennial.DataRef{Path: "data/raw/old.csv", BaseMD5: md5}}}
	return []perennial.Run{run}, nil
}

func (f registryFake) VersionsOfRuns(ctx context.Context, runs []string) ([]perennial.ModelVersion, error) {
	if len(runs) != 1 || runs[0] != "run1" {
		return nil, notFound("run")
	}
	return f.Versions(ctx, "iris")
}

func (w *world) DeleteVersion(_ context.Context, model, version, _ string) error {
	switch {
	case model != "iris":
		return notFound("version")
	case version == "1":
		return perennial.Errorf(perennial.CodePrecondition, "fake", "Version 1 of iris is in service: it is held.")
	}
	return nil
}
