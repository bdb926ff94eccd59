package dvc

import (
	"bytes"
	"crypto/md5" //nolint:gosec // DVC's content hash; not used for security
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// dirExt ends the oid of a directory's manifest.
const dirExt = ".dir"

// ManifestFile is one file of a directory under DVC.
type ManifestFile struct {
	MD5  string // of the whole content, lower-case hexadecimal
	Path string // relative to the directory, with slashes; the bytes of the file system
}

// EncodeManifest gives a directory's manifest, byte for byte as DVC writes it,
// and its oid. It sorts the files by path: by code points, where a byte that is
// no UTF-8 counts as Python counts it.
func EncodeManifest(files []ManifestFile) (b []byte, oid string) {
	slices.SortFunc(files, func(x, y ManifestFile) int { return comparePaths(x.Path, y.Path) })
	b = append(make([]byte, 0, 80*len(files)+2), '[')
	for i, f := range files {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, `{"md5": `...)
		b = appendJSON(b, f.MD5)
		b = append(b, `, "relpath": `...)
		b = append(appendJSON(b, f.Path), '}')
	}
	b = append(b, ']')
	sum := md5.Sum(b) //nolint:gosec // DVC's content hash
	return b, hex.EncodeToString(sum[:]) + dirExt
}

// ParseManifest reads a directory's manifest. A path that leads out of the
// directory, or that stands there twice, is invalid, as is everything that DVC
// couldn't have written.
func ParseManifest(b []byte) ([]ManifestFile, error) {
	bad := func(format string, args ...any) error {
		return perennial.Errorf(perennial.CodeInvalid, "dvc.ParseManifest", "the list of the directory's files can't be read: "+format, args...)
	}
	var items []struct {
		MD5  string          `json:"md5"`
		Path json.RawMessage `json:"relpath"`
	}
	if err := json.Unmarshal(b, &items); err != nil {
		return nil, bad("%v", err)
	}
	if items == nil {
		return nil, bad("it is no list")
	}
	seen := make(map[string]bool, len(items))
	files := make([]ManifestFile, len(items))
	for i, item := range items {
		p, ok := parseJSONText(item.Path)
		switch {
		case !ok || p == "" || path.IsAbs(p) || path.Clean(p) != p || p == "." || p == ".." || strings.HasPrefix(p, "../") || strings.ContainsRune(p, 0):
			return nil, bad("%s is no path in it", item.Path)
		case !isMD5(item.MD5):
			return nil, bad("%s: %q is no md5", p, item.MD5)
		case seen[p]:
			return nil, bad("%s is there twice", p)
		}
		seen[p] = true
		files[i] = ManifestFile{MD5: item.MD5, Path: p}
	}
	return files, nil
}

// escapeBase is the code point that Python puts in the place of the byte 0 of a
// file name that is no UTF-8; real ones begin at 0x80.
const escapeBase = 0xDC00

// nextRune gives the first code point of a file name as Python sees it, and its
// length in bytes.
func nextRune(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		r = escapeBase + rune(s[0])
	}
	return r, n
}

// comparePaths orders file names by code points.
func comparePaths(x, y string) int {
	for len(x) > 0 && len(y) > 0 {
		a, n := nextRune(x)
		b, m := nextRune(y)
		if a != b {
			return int(a - b)
		}
		x, y = x[n:], y[m:]
	}
	return len(x) - len(y)
}

// appendJSON writes a text as Python's json.dumps does: everything but printable
// ASCII is escaped.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for len(s) > 0 {
		r, n := nextRune(s)
		s = s[n:]
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			b = appendUnit(appendUnit(b, high), low)
		default:
			b = appendUnit(b, r)
		}
	}
	return append(b, '"')
}

func appendUnit(b []byte, unit rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[unit>>12&15], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15])
}

// parseJSONText reads a JSON text that is known to be well-formed JSON. Go's own
// reader loses the lone surrogates that stand for bytes that are no UTF-8.
func parseJSONText(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	raw = raw[1 : len(raw)-1]
	if !bytes.ContainsRune(raw, '\\') {
		return string(raw), true
	}
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		if raw[0] != '\\' {
			out, raw = append(out, raw[0]), raw[1:]
			continue
		}
		if raw[1] != 'u' {
			out, raw = append(out, simpleEscape(raw[1])), raw[2:]
			continue
		}
		unit, rest := codeUnit(raw)
		if utf16.IsSurrogate(unit) {
			if low, after := codeUnit(rest); utf16.DecodeRune(unit, low) != utf8.RuneError {
				out, raw = utf8.AppendRune(out, utf16.DecodeRune(unit, low)), after
				continue
			}
			if unit < escapeBase+0x80 || unit > escapeBase+0xFF {
				return "", false // no byte, and no character either
			}
			out, raw = append(out, byte(unit-escapeBase)), rest
			continue
		}
		out, raw = utf8.AppendRune(out, unit), rest
	}
	return string(out), true
}

// codeUnit reads one \uXXXX; without one at the front it gives -1.
func codeUnit(raw []byte) (rune, []byte) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1, raw
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return -1, raw
	}
	return rune(n), raw[6:]
}

func simpleEscape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'f':
		return '\f'
	case 'b':
		return '\b'
	default:
		return c
	}
}
