package dvc

import "path/filepath"

// ParseSettings gives a configuration's values by "section/key".
func ParseSettings(b []byte) (map[string]string, error) {
	s, err := parseSettings(b)
	out := map[string]string{}
	for section, values := range s {
		for key, value := range values {
			out[section+"/"+key] = value
		}
	}
	return out, err
}

// Ignored reports whether the ignore files of one name cover a file.
func Ignored(root, name, file string) bool {
	return newIgnorer(root, name).covered(filepath.Join(root, file), false)
}

// EditPointer is editPointer.
func EditPointer(rel string, old []byte, p Pointer) ([]byte, error) { return editPointer(rel, old, p) }

// ParseKnown reads one line of the hash cache.
func ParseKnown(line string) bool {
	_, _, ok := parseKnown(line)
	return ok
}

// Cloneable is cloneable.
func Cloneable(object, dir string) bool { return cloneable(object, dir) }

// Stages is stagesIn of the project's directory.
func (r *Repo) Stages() ([]Stage, error) { return stagesIn(r.text, ".") }
