package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// Stage is what the stage of a pipeline is made from. Paths are relative to the
// project.
type Stage struct {
	Name, Data, PipelineFile, SchemaFile string
	Classes                              bool // it predicts classes, not numbers
}

// AddStage adds the stage of a pipeline to a project's dvc.yaml, so that dvc
// repro trains it and a training with --wait locks it, and keeps its model out of
// git.
//
// The stage is written below what is there, whose text stays as it is. added is
// false where a stage train-NAME exists, or where dvc.yaml isn't of a form that a
// stage can be added to by its text: then the file is left alone.
func AddStage(dir string, s Stage) (added bool, err error) {
	const op = "project.AddStage"
	file := filepath.Join(dir, "dvc.yaml")
	old, err := os.ReadFile(file) //nolint:gosec // a fixed name in the project
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", file).Because(err)
	}
	text, ok := withStage(old, s)
	if !ok {
		return false, nil
	}
	ignored := filepath.Join(dir, "models", "trained", ".gitignore")
	b, err := os.ReadFile(ignored) //nolint:gosec // a fixed name in the project
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", ignored).Because(err)
	}
	if line := "/" + s.Name + ".model\n"; !bytes.Contains(append([]byte("\n"), b...), []byte("\n"+line)) {
		if err := write(ignored, joinLines(b, []byte(line))); err != nil {
			return false, perennial.Wrap(op, err)
		}
	}
	return true, perennial.Wrap(op, write(file, text))
}

// withStage gives dvc.yaml with one stage more; ok is false where it stays.
func withStage(old []byte, s Stage) (text []byte, ok bool) {
	before, last, ok := stageNames(old)
	if !ok || before["train-"+s.Name] {
		return nil, false
	}
	stage := s.text()
	const empty = "stages: {}\n"
	switch lines := joinLines(bytes.Clone(old), nil); {
	case len(before) > 0 && last > 1:
		text = joinLines(lines, indented(stage, last-1))
	case bytes.HasSuffix(lines, []byte(empty)):
		text = append(bytes.TrimSuffix(lines, []byte(empty)), "stages:\n"+string(indented(stage, 2))...)
	case len(before) == 0 && len(bytes.TrimSpace(lines)) == 0:
		text = append([]byte("stages:\n"), indented(stage, 2)...)
	default:
		return nil, false
	}
	after, _, ok := stageNames(text)
	return text, ok && len(after) == len(before)+1 && after["train-"+s.Name]
}

// stageText is a stage of dvc.yaml: the whole pipeline file counts as parameters,
// so that a comment in it changes nothing, and every other change does.
const stageText = `train-%[1]s:
  cmd: perennial stage train %[1]s
  deps:
    - %[2]s
    - %[3]s
  params:
    - %[4]s:
  outs:
    - models/trained/%[1]s.model
  metrics:
    - reports/%[1]s.json:
        cache: false
  plots:
    - reports/%[1]s.csv:
        cache: false
        template: %[5]s
        x: actual
        y: predicted
`

func (s Stage) text() string {
	template := "scatter"
	if s.Classes {
		template = "confusion"
	}
	return fmt.Sprintf(stageText, s.Name, yamlText(s.Data), yamlText(s.SchemaFile), yamlText(s.PipelineFile), template)
}

func indented(text string, spaces int) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(text) {
		b.WriteString(strings.Repeat(" ", spaces) + line)
	}
	return b.Bytes()
}

// yamlText writes a path as the YAML library does.
func yamlText(s string) string {
	b, err := yaml.Marshal(s)
	if err != nil {
		return s
	}
	return strings.TrimSpace(string(b))
}

// stageNames lists the stages of a dvc.yaml. last is the column of their names
// where they are a block that ends the file, else 0.
func stageNames(b []byte) (names map[string]bool, last int, ok bool) {
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, 0, false
	}
	names = map[string]bool{}
	if len(doc.Content) == 0 {
		return names, 0, true
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, 0, false
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		stages := root.Content[i+1]
		if root.Content[i].Value != "stages" {
			continue
		}
		if stages.Kind != yaml.MappingNode {
			return nil, 0, false
		}
		for j := 0; j < len(stages.Content); j += 2 {
			names[stages.Content[j].Value] = true
		}
		if i+2 == len(root.Content) && stages.Style&yaml.FlowStyle == 0 && len(stages.Content) > 0 {
			last = stages.Content[0].Column
		}
	}
	return names, last, true
}
