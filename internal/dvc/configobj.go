package dvc

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"
)

// settings are the values of a configuration file by section and key, all three
// as DVC reads them: sections and keys in lower case, the section
// ['remote "name"'] as `remote "name"`, a list as its members joined by commas.
type settings map[string]map[string]string

// get gives a value, "" where it isn't set.
func (s settings) get(section, key string) string { return s[section][key] }

// over puts the values of o over those of s, key by key.
func (s settings) over(o settings) {
	for section, values := range o {
		if s[section] == nil {
			s[section] = map[string]string{}
		}
		maps.Copy(s[section], values)
	}
}

// The lines of the dialect, which is that of Python's configobj: a quoted text
// has no escapes, a comment begins at any # outside quotes, and commas make a
// list.
var (
	sectionRE = regexp.MustCompile(`^((?:\[\s*)+)("\s*\S.*?\s*"|'\s*\S.*?\s*'|[^'"\s].*?)((?:\s*\])+)\s*(?:#.*)?$`)
	settingRE = regexp.MustCompile(`^(".*?"|'.*?'|[^'"=].*?)\s*=\s*(.*)$`)
	memberRE  = regexp.MustCompile(`^(?:"(.*?)"|'(.*?)'|([^'",#\s][^,#]*?))\s*(?:(,)\s*|$|#)`)
	namedRE   = regexp.MustCompile(`^\s*(remote|machine|db)\s*"(.*)"\s*$`)
)

// parseSettings reads a configuration file. Sections within sections, which DVC
// doesn't use, are passed over. A fault names its line.
func parseSettings(b []byte) (settings, error) {
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("it is no UTF-8")
	}
	out := settings{}
	values := map[string]string{} // before the first section, of no use
	rest := strings.Split(string(bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))), "\n")
	for n := 0; n < len(rest); n++ {
		line := strings.TrimSpace(rest[n])
		bad := func(what string) error { return fmt.Errorf("line %d: %s", n+1, what) }
		if line == "" || line[0] == '#' {
			continue
		}
		if m := sectionRE.FindStringSubmatch(line); m != nil {
			depth := strings.Count(m[1], "[")
			if depth != strings.Count(m[3], "]") {
				return nil, bad("the brackets of the section don't match")
			}
			values = map[string]string{}
			if depth > 1 {
				continue
			}
			name := sectionName(m[2])
			if out[name] != nil {
				return nil, bad("the section " + name + " is there twice")
			}
			out[name] = values
			continue
		}
		m := settingRE.FindStringSubmatch(line)
		if m == nil {
			return nil, bad("it is neither a section nor a setting")
		}
		text := m[2]
		var value string
		var err error
		if quote := tripleQuote(text); quote != "" {
			value, n, err = multiline(rest, n, text[3:], quote)
		} else {
			value, err = settingValue(text)
		}
		if err != nil {
			return nil, bad(err.Error())
		}
		key := strings.ToLower(unquote(m[1]))
		if _, twice := values[key]; twice {
			return nil, bad("the setting " + key + " is there twice")
		}
		values[key] = value
	}
	return out, nil
}

// sectionName normalises a section's name.
func sectionName(s string) string {
	s = strings.ToLower(unquote(s))
	if m := namedRE.FindStringSubmatch(s); m != nil {
		return m[1] + ` "` + m[2] + `"`
	}
	return s
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

func tripleQuote(s string) string {
	if strings.HasPrefix(s, `"""`) || strings.HasPrefix(s, "'''") {
		return s[:3]
	}
	return ""
}

// multiline reads a value in triple quotes, which begins on line n. It gives the
// line where the value ends.
func multiline(lines []string, n int, first, quote string) (string, int, error) {
	value := first
	for i := n; ; {
		if before, after, ok := strings.Cut(value, quote); ok {
			if after = strings.TrimSpace(after); after != "" && after[0] != '#' {
				return "", i, fmt.Errorf("there is text behind the closing %s", quote)
			}
			return before, i, nil
		}
		if i++; i >= len(lines) {
			return "", n, fmt.Errorf("the %s isn't closed", quote)
		}
		value += "\n" + lines[i]
	}
}

// settingValue reads a value on one line: a text, or a list of them.
func settingValue(s string) (string, error) {
	var members []string
	for s != "" && s[0] != '#' {
		if s[0] == ',' && len(members) == 0 {
			s = strings.TrimSpace(s[1:]) // a lone comma is an empty list
			if s != "" && s[0] != '#' {
				return "", fmt.Errorf("a value begins with a comma")
			}
			break
		}
		m := memberRE.FindStringSubmatch(s)
		if m == nil {
			return "", fmt.Errorf("the value %s can't be read; put quotes around it", s)
		}
		members = append(members, m[1]+m[2]+m[3])
		if m[4] == "" {
			break
		}
		s = s[len(m[0]):]
	}
	return strings.Join(members, ","), nil
}
