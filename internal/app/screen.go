package app

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Screen is what the person who started the program sees: a dozen lines. The
// rest goes into the log file.
type Screen struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool // lines may be rewritten
	pending  int  // characters of the line that may be rewritten
}

// NewScreen writes to w; terminal says whether a person watches.
func NewScreen(w io.Writer, terminal bool) *Screen { return &Screen{w: w, terminal: terminal} }

// nameWidth aligns what is said about each thing.
const nameWidth = 20

// Sayf writes a line about something.
func (s *Screen) Sayf(name, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	_, _ = fmt.Fprintf(s.w, "  %-*s %s\n", nameWidth, name, fmt.Sprintf(format, args...)) // a closed terminal is no reason to stop
}

// Linef writes a line as it is.
func (s *Screen) Linef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	_, _ = fmt.Fprintf(s.w, format+"\n", args...)
}

// Progressf shows a line that the next one replaces. Only a terminal shows it.
func (s *Screen) Progressf(name, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal {
		return
	}
	s.clear()
	line := fmt.Sprintf("  %-*s %s", nameWidth, name, fmt.Sprintf(format, args...))
	s.pending = len(line)
	_, _ = io.WriteString(s.w, line)
}

func (s *Screen) clear() {
	if s.pending > 0 {
		_, _ = io.WriteString(s.w, "\r"+strings.Repeat(" ", s.pending)+"\r")
		s.pending = 0
	}
}
