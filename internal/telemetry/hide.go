package telemetry

import (
	"bytes"
	"io"
	"regexp"
)

// hidden stands where a secret was.
const hidden = "[hidden]"

// Hide gives a writer that lets no secret through: none of those named, and no
// text that begins with prefix and goes on like a token. Nothing logs a token on
// purpose, but a person may send one where an id or a name belongs. A secret must
// not be spread over two writes: a logger's line is one.
func Hide(w io.Writer, prefix string, secrets ...string) io.Writer {
	h := &hider{w: w, prefix: []byte(prefix), tokens: regexp.MustCompile(regexp.QuoteMeta(prefix) + `[A-Za-z0-9_-]{8,}`)}
	for _, s := range secrets {
		if s != "" {
			h.secrets = append(h.secrets, []byte(s))
		}
	}
	return h
}

type hider struct {
	w       io.Writer
	prefix  []byte
	tokens  *regexp.Regexp
	secrets [][]byte
}

// Write answers as if all of p was written: its caller knows nothing of what is
// left out.
func (h *hider) Write(p []byte) (int, error) {
	out := p
	for _, s := range h.secrets {
		if bytes.Contains(out, s) {
			out = bytes.ReplaceAll(out, s, []byte(hidden))
		}
	}
	if bytes.Contains(out, h.prefix) {
		out = h.tokens.ReplaceAll(out, append(bytes.Clone(h.prefix), hidden...))
	}
	n, err := h.w.Write(out)
	if err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
}
