package dvc

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// rule is one line of a .dvcignore or .gitignore.
type rule struct {
	order   int            // the line's place: a later one wins
	match   *regexp.Regexp // of a path relative to the file's directory
	negate  bool           // "!": what an earlier rule ignored is not ignored
	dirOnly bool           // a trailing slash
}

// rules are the lines of one file. Those without wildcards, of which a
// .gitignore of many data files has as many, are looked up by what they name.
type rules struct {
	byPath, byName map[string]rule // path from the directory on; name at any depth
	others         []rule
	next           int // the order of the next line
}

// decide gives the rule that decides about a path relative to the file's
// directory, if there is one.
func (s *rules) decide(rel string, isDir bool) (rule, bool) {
	best, found := s.byPath[rel]
	if r, ok := s.byName[rel[strings.LastIndexByte(rel, '/')+1:]]; ok && (!found || r.order > best.order) {
		best, found = r, true
	}
	for _, r := range slices.Backward(s.others) {
		if found && r.order < best.order {
			break
		}
		if (isDir || !r.dirOnly) && r.match.MatchString(rel) {
			return r, true
		}
	}
	return best, found
}

// ignorer answers which files and directories of a project are ignored, by the
// files of one name that lie in its directories. It reads each once. A directory
// that is ignored must not be entered, so only what lies beside a path and above
// it is asked. It isn't safe for use by several goroutines.
type ignorer struct {
	name string // of the files
	root string // where the first one may lie
	dvc  bool   // in DVC's reading, else in git's
	dirs map[string]*rules
}

func newIgnorer(root, name string) *ignorer {
	return &ignorer{name: name, root: root, dvc: name == ".dvcignore", dirs: map[string]*rules{}}
}

// ignored reports whether an entry is ignored itself, given that nothing above it
// is.
func (g *ignorer) ignored(file string, isDir bool) bool {
	base := filepath.Base(file)
	if g.dvc && (base == ".git" || isDir && (base == ".hg" || base == ".dvc")) {
		return true
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if set := g.rules(dir); set.next > 0 {
			rel := filepath.ToSlash(strings.TrimPrefix(file[len(dir):], string(filepath.Separator)))
			if r, ok := set.decide(rel, isDir); ok {
				return !r.negate
			}
		}
		if len(dir) <= len(g.root) {
			return false
		}
	}
}

// covered reports whether an entry or a directory above it is ignored.
func (g *ignorer) covered(file string, isDir bool) bool {
	for i := len(g.root) + 1; i < len(file); i++ {
		if file[i] == filepath.Separator && g.ignored(file[:i], true) {
			return true
		}
	}
	return g.ignored(file, isDir)
}

// rules gives the rules that lie in a directory. A file that can't be read has
// none.
func (g *ignorer) rules(dir string) *rules {
	set := g.dirs[dir]
	if set == nil {
		set = &rules{byPath: map[string]rule{}, byName: map[string]rule{}}
		if b, err := os.ReadFile(filepath.Join(dir, g.name)); err == nil { //nolint:gosec // a file of the project
			for line := range bytes.Lines(b) {
				set.add(strings.TrimRight(string(line), "\r\n"), g.dvc)
			}
		}
		g.dirs[dir] = set
	}
	return set
}

// add reads one more line of the file. A line that makes no pattern is passed
// over, as git does.
func (s *rules) add(text string, dvc bool) {
	if dvc {
		text = strings.TrimSpace(text)
	}
	if text == "" || text[0] == '#' {
		return
	}
	s.next++
	r := rule{order: s.next}
	for strings.HasSuffix(text, " ") && !strings.HasSuffix(text, `\ `) {
		text = text[:len(text)-1]
	}
	text, r.negate = strings.CutPrefix(text, "!")
	text, r.dirOnly = strings.CutSuffix(text, "/")
	switch {
	case dvc && r.dirOnly && strings.Trim(text, "*/") == "": // "*/", which DVC reads as nothing
		return
	case dvc && len(text) > len("/**") && strings.HasSuffix(text, "/**"): // which DVC also reads as the directory itself
		text, r.dirOnly = "/"+strings.TrimPrefix(strings.TrimSuffix(text, "/**"), "/"), true
	}
	if strings.Trim(text, "/") == "" {
		return
	}
	if name, ok := literal(text); ok && !r.dirOnly {
		if rest, deep := strings.CutPrefix(name, "/"); deep || strings.Contains(name, "/") {
			s.byPath[rest] = r
		} else {
			s.byName[name] = r
		}
		return
	}
	if expr, ok := translate(text); ok {
		var err error
		if r.match, err = regexp.Compile(expr); err == nil {
			s.others = append(s.others, r)
		}
	}
}

// literal gives what a pattern without wildcards names.
func literal(pattern string) (name string, ok bool) {
	if !strings.ContainsAny(pattern, `\*?[`) {
		return pattern, true
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*', '?', '[':
			return "", false
		case '\\':
			if i++; i == len(pattern) {
				return "", false
			}
		}
		b.WriteByte(pattern[i])
	}
	return b.String(), true
}

// translate makes a regular expression of a pattern without negation and
// trailing slash.
func translate(pattern string) (expr string, ok bool) {
	var b strings.Builder
	b.WriteString("(?s)^")
	if !strings.Contains(pattern, "/") {
		b.WriteString("(?:.*/)?") // at any depth
	}
	segments := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == "**" && last:
			b.WriteString(".+")
		case s == "**":
			b.WriteString("(?:.*/)?")
		default:
			if !translateSegment(&b, s) {
				return "", false
			}
			if !last {
				b.WriteByte('/')
			}
		}
	}
	b.WriteByte('$')
	return b.String(), true
}

// translateSegment writes the expression of a name with wildcards.
func translateSegment(b *strings.Builder, s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '*':
			b.WriteString("[^/]*")
		case '?':
			b.WriteString("[^/]")
		case '[':
			n := translateClass(b, s[i+1:])
			if n < 0 {
				return false
			}
			i += n
		case '\\':
			if i++; i == len(s) {
				return false
			}
			b.WriteString(regexp.QuoteMeta(s[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(s[i : i+1]))
		}
	}
	return true
}

// translateClass writes the expression of "[…]" behind its first bracket, and
// says how many bytes that took; -1 where it isn't closed.
func translateClass(b *strings.Builder, s string) int {
	i := 0
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		i++
	}
	negate := i > 0
	end := strings.IndexByte(s[min(i+1, len(s)):], ']')
	if end < 0 {
		return -1
	}
	end += i + 1
	b.WriteByte('[')
	if negate {
		b.WriteString("^/")
	}
	for ; i < end; i++ {
		switch s[i] {
		case '-':
			b.WriteByte('-')
		case '\\', '[', ']', '^', '&', '~':
			b.WriteString(`\` + s[i:i+1])
		default:
			b.WriteByte(s[i])
		}
	}
	b.WriteByte(']')
	return end + 1
}
