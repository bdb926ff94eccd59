package dvc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// Stage is what dvc.lock says of one stage of dvc.yaml: which command made which
// files from which.
type Stage struct {
	Name   string // as "train@iris" for an item of a foreach
	Cmd    string // with its variables filled in
	Deps   []Entry
	Params []ParamsFile
	Outs   []Entry // metrics and plots as well
}

// Entry is one file of a stage.
type Entry struct {
	Path       string `yaml:"path"`   // as it stands in dvc.yaml: relative to it, with slashes
	MD5        string `yaml:"md5"`    // of the whole content; a directory's ends in .dir
	Size       int64  `yaml:"size"`   // bytes
	Files      int    `yaml:"nfiles"` // of a directory
	Executable bool   `yaml:"isexec"`
}

// ParamsFile is a file of parameters and those of its values that a stage uses.
type ParamsFile struct {
	Path   string
	Values map[string]any // by dotted name: what a Param's value can be
}

const lockSchema = "2.0"

var stageNameRE = later(`^[\pL\pN_][\pL\pN_.@-]*$`)

// Track gives the entry of a project file for a stage, from its content. With
// cache its content also goes into the cache, which dvc expects of every output
// but those with "cache: false".
func (r *Repo) Track(ctx context.Context, projectPath string, cache bool) (Entry, error) {
	const op = "dvc.Track"
	file, err := r.abs(projectPath)
	if err != nil {
		return Entry{}, perennial.Wrap(op, err)
	}
	defer r.hashes.save()
	if cache {
		p, err := r.store(ctx, projectPath, file)
		return Entry{Path: projectPath, MD5: p.MD5, Size: p.Size, Files: p.Files, Executable: p.Executable}, perennial.Wrap(op, err)
	}
	e := Entry{Path: projectPath}
	if e.MD5, err = hashFile(ctx, r.hashes, file); err != nil {
		return Entry{}, perennial.Wrap(op, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return Entry{}, perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", projectPath).Because(err)
	}
	e.Size, e.Executable = info.Size(), info.Mode()&0o111 != 0
	return e, nil
}

// stagesIn reads the dvc.lock in a directory of the project; there are no stages
// where there is no such file. A lock file of another schema than DVC 3's is a
// precondition error.
func stagesIn(read texts, dir string) ([]Stage, error) {
	doc, _, err := readLock(read, dir)
	var out []Stage
	if err == nil {
		out, err = doc.read()
	}
	if err != nil && dir != "." {
		message, hint, _ := perennial.Explain(err)
		err = perennial.Errorf(perennial.CodeOf(err), "", "%s/%s", dir, message).WithHint("%s", hint).Because(err)
	}
	return out, err
}

// read gives the stages.
func (d lockDoc) read() (out []Stage, err error) {
	for _, n := range d.stages {
		var s struct {
			Cmd    string                    `yaml:"cmd"`
			Deps   []lockEntry               `yaml:"deps"`
			Params map[string]map[string]any `yaml:"params"`
			Outs   []lockEntry               `yaml:"outs"`
		}
		if err := n.value.Decode(&s); err != nil {
			return nil, perennial.Errorf(perennial.CodeInvalid, "", "dvc.lock: the stage %s can't be read: %v", n.name, err).Because(err)
		}
		stage := Stage{Name: n.name, Cmd: s.Cmd}
		if stage.Deps, err = entries(n.name, s.Deps); err != nil {
			return nil, err
		}
		if stage.Outs, err = entries(n.name, s.Outs); err != nil {
			return nil, err
		}
		for path, values := range s.Params {
			stage.Params = append(stage.Params, ParamsFile{Path: path, Values: values})
		}
		slices.SortFunc(stage.Params, func(a, b ParamsFile) int { return cmp.Compare(a.Path, b.Path) })
		out = append(out, stage)
	}
	return out, nil
}

// lockEntry is an Entry as it is read.
type lockEntry struct {
	Entry `yaml:",inline"`
	Hash  string `yaml:"hash"`
}

// entries refuses what DVC 2 wrote.
func entries(stage string, list []lockEntry) ([]Entry, error) {
	var out []Entry
	for _, e := range list {
		if e.MD5 != "" && e.Hash == "" {
			return nil, perennial.Errorf(perennial.CodePrecondition, "", "dvc.lock: %s of the stage %s was written by DVC 2, whose hashes differ", e.Path, stage).
				WithHint("Run dvc cache migrate --dvc-files, or write the file anew with DVC 3: dvc repro -f.").Because(errLegacy)
		}
		out = append(out, e.Entry)
	}
	return out, nil
}

// WriteLock puts one stage into dvc.lock, in the place of an earlier entry of
// that name or else at the end; every other byte of the file stays. The stage's
// own bytes are those that dvc repro writes, so that dvc finds nothing to do.
func (r *Repo) WriteLock(stage Stage) error {
	return perennial.Wrap("dvc.WriteLock", r.locked(context.Background(), func() error {
		block, err := stage.encode()
		if err != nil {
			return err
		}
		doc, old, err := readLock(r.text, ".")
		if err != nil {
			return err
		}
		b := doc.replace(old, stage.Name, block)
		if bytes.Equal(b, old) {
			return nil
		}
		if after, err := parseLock(b); err != nil || !slices.Equal(after.names(), doc.names(stage.Name)) {
			return badLock("it isn't laid out as DVC does it").Because(err)
		}
		return writeFile(filepath.Join(r.root, lockName), b)
	}))
}

// lockDoc is where the stages stand in dvc.lock. Lines count from 1, and an end
// is the line after the last one.
type lockDoc struct {
	stages []lockStage
	end    int  // of the stages; 0 where there is no such key
	empty  bool // "stages: {}"
}

type lockStage struct {
	name  string
	value *yaml.Node
	begin int
	end   int
}

func readLock(read texts, dir string) (lockDoc, []byte, error) {
	b, err := read(path.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(b)) == 0 {
		return lockDoc{}, nil, nil
	}
	if err != nil {
		return lockDoc{}, nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read dvc.lock").Because(err)
	}
	doc, err := parseLock(b)
	return doc, b, err
}

func parseLock(b []byte) (lockDoc, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		return lockDoc{}, badLock(err.Error()).Because(err)
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode || root.Content[0].Style&yaml.FlowStyle != 0 {
		return lockDoc{}, badLock("it is no mapping in block form")
	}
	top := root.Content[0].Content
	doc := lockDoc{}
	schema := ""
	for i := 0; i < len(top); i += 2 {
		switch key, value := top[i], top[i+1]; key.Value {
		case "schema":
			schema = value.Value
		case "stages":
			doc.end = lines(b) + 1
			if i+2 < len(top) {
				doc.end = top[i+2].Line
			}
			if value.Kind != yaml.MappingNode || value.Style&yaml.FlowStyle != 0 && len(value.Content) > 0 {
				return lockDoc{}, badLock("stages is no mapping in block form")
			}
			doc.empty = len(value.Content) == 0
			for j := 0; j < len(value.Content); j += 2 {
				s := lockStage{name: value.Content[j].Value, value: value.Content[j+1], begin: value.Content[j].Line, end: doc.end}
				if j > 0 {
					doc.stages[len(doc.stages)-1].end = s.begin
				}
				doc.stages = append(doc.stages, s)
			}
		}
	}
	if schema != lockSchema {
		return lockDoc{}, perennial.Errorf(perennial.CodePrecondition, "", "dvc.lock has the schema %q, and this version reads and writes %q", schema, lockSchema).
			WithHint("Use a version of Perennial that knows it, or write the file anew with DVC 3: dvc repro.")
	}
	return doc, nil
}

func badLock(why string) *perennial.Error {
	return perennial.Errorf(perennial.CodeInvalid, "", "dvc.lock can't be read: %s", why).
		WithHint("Restore it from git, or delete it and run dvc repro.")
}

// names gives the stages' names in file order, and after them those of more that
// are not among them.
func (d lockDoc) names(more ...string) []string {
	var out []string
	for _, s := range d.stages {
		out = append(out, s.name)
	}
	for _, name := range more {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// lines counts the lines of a text, the last one without an end too.
func lines(b []byte) int {
	n := bytes.Count(b, []byte("\n"))
	if len(b) > 0 && b[len(b)-1] != '\n' {
		n++
	}
	return n
}

// replace gives the file with a stage's new block.
func (d lockDoc) replace(old []byte, name string, block []byte) []byte {
	if len(old) == 0 {
		return append([]byte("schema: '"+lockSchema+"'\nstages:\n"), block...)
	}
	if old[len(old)-1] != '\n' {
		old = append(bytes.Clone(old), '\n')
	}
	begin, end := d.end, d.end
	switch {
	case d.end == 0:
		begin, end = lines(old)+1, lines(old)+1
		block = append([]byte("stages:\n"), block...)
	case d.empty:
		begin = d.end - 1
		block = append([]byte("stages:\n"), block...)
	}
	for _, s := range d.stages {
		if s.name == name {
			begin, end = s.begin, s.end
		}
	}
	all := slices.Collect(bytes.Lines(old))
	return slices.Concat(bytes.Join(all[:begin-1], nil), block, bytes.Join(all[end-1:], nil))
}

// encode gives the stage's block in dvc.lock.
func (s Stage) encode() ([]byte, error) {
	if !stageNameRE().MatchString(s.Name) || utf8.RuneCountInString(s.Name) > 127 {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%q can't name a stage", s.Name)
	}
	if err := checkText("the command", s.Cmd); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "  %s:\n    cmd: %s\n", inline(s.Name), text(s.Cmd, 8, 6))
	if err := encodeEntries(&b, "deps", s.Deps); err != nil {
		return nil, err
	}
	if err := encodeParams(&b, s.Params); err != nil {
		return nil, err
	}
	if err := encodeEntries(&b, "outs", s.Outs); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// encodeEntries writes deps or outs, by path.
func encodeEntries(b *bytes.Buffer, key string, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	fmt.Fprintf(b, "    %s:\n", key)
	for _, e := range slices.SortedFunc(slices.Values(entries), func(x, y Entry) int { return cmp.Compare(x.Path, y.Path) }) {
		if err := checkText("the path", e.Path); err != nil {
			return err
		}
		if !isOID(e.MD5) {
			return perennial.Errorf(perennial.CodeInvalid, "", "%s: %q is no md5", e.Path, e.MD5)
		}
		fmt.Fprintf(b, "    - path: %s\n      hash: md5\n      md5: %s\n      size: %d\n", text(e.Path, 11, 8), inline(e.MD5), e.Size)
		if e.Files > 0 {
			fmt.Fprintf(b, "      nfiles: %d\n", e.Files)
		}
		if e.Executable {
			b.WriteString("      isexec: true\n")
		}
	}
	return nil
}

// encodeParams writes the parameters: params.yaml first, then by path and name.
func encodeParams(b *bytes.Buffer, files []ParamsFile) error {
	if len(files) == 0 {
		return nil
	}
	b.WriteString("    params:\n")
	first := func(f ParamsFile) string { // sorts before every other path
		if f.Path == paramsName {
			return ""
		}
		return f.Path
	}
	for _, f := range slices.SortedFunc(slices.Values(files), func(x, y ParamsFile) int { return cmp.Compare(first(x), first(y)) }) {
		if err := checkText("the path", f.Path); err != nil {
			return err
		}
		fmt.Fprintf(b, "      %s:\n", inline(f.Path))
		names := make([]string, 0, len(f.Values))
		for name := range f.Values {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			b.WriteString("        ")
			if err := writeEntry(b, Param{name, f.Values[name]}, 8); err != nil {
				return err
			}
		}
	}
	return nil
}
