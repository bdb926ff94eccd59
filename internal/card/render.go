package card

import (
	_ "embed"
	"encoding/base64"
	"html/template"
	"strings"

	"github.com/perennial-ml/perennial/models/evaluate"
)

// Markdown writes the card; pictures are links to the paths given by name.
func (c *Card) Markdown(pictures map[string]string) []byte {
	var w strings.Builder
	w.WriteString("# " + escaped(c.title()) + "\n")
	there := func(name string) bool { return pictures[name] != "" }
	for _, s := range c.sections(there) {
		w.WriteString("\n## " + s.Title + "\n")
		for _, l := range s.Lines {
			w.WriteString("\n" + escaped(l) + "\n")
		}
		if s.Table != nil {
			s.Table.markdown(&w)
		}
		if len(s.List) > 0 {
			w.WriteString("\n")
		}
		for _, l := range s.List {
			w.WriteString("- " + escaped(l) + "\n")
		}
		if s.Code != "" {
			w.WriteString("\n```\n" + s.Code + "\n```\n")
		}
		for _, p := range s.Pictures {
			w.WriteString("\n![" + escaped(p.Title) + "](" + pictures[p.Name] + ")\n")
		}
	}
	return []byte(w.String())
}

// CandidatesMarkdown writes the comparison of candidates as a table.
func CandidatesMarkdown(in *evaluate.Candidates) []byte {
	var w strings.Builder
	comparison(in).markdown(&w)
	return []byte(strings.TrimPrefix(w.String(), "\n"))
}

func (t *table) markdown(w *strings.Builder) {
	if len(t.Rows) == 0 {
		return
	}
	head := t.Head
	if len(head) == 0 {
		head = make([]string, len(t.Rows[0])) // Markdown has no tables without one
	}
	line := func(cells []string) {
		w.WriteString("|")
		for _, c := range cells {
			w.WriteString(" " + escaped(c) + " |")
		}
		w.WriteString("\n")
	}
	w.WriteString("\n")
	line(head)
	w.WriteString("|" + strings.Repeat("---|", len(head)) + "\n")
	for _, r := range t.Rows {
		line(r)
	}
}

// escaper keeps text that came with the data from being read as Markdown or HTML.
var escaper = strings.NewReplacer(
	"\\", "\\\\", "`", "\\`", "*", "\\*", "[", "\\[", "]", "\\]", "<", "&lt;", "&", "&amp;", "|", "\\|", "\r", " ", "\n", " ",
)

func escaped(s string) string { return escaper.Replace(s) }

//go:embed card.html.tmpl
var page string

var pageTemplate = template.Must(template.New("card").Parse(page))

// HTML writes the card as one self-contained page: the pictures, PNG by name, are
// embedded, and it loads and runs nothing.
func (c *Card) HTML(pictures map[string][]byte) ([]byte, error) {
	there := func(name string) bool { return len(pictures[name]) > 0 }
	images := map[string]template.URL{}
	for name, png := range pictures {
		images[name] = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png)) //nolint:gosec // our own picture, in base64
	}
	var w strings.Builder
	err := pageTemplate.Execute(&w, map[string]any{"Title": c.title(), "Sections": c.sections(there), "Images": images})
	return []byte(w.String()), err
}
