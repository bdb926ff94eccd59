package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

//go:embed docs.html
var docsHTML string

var docsPage = template.Must(template.New("docs").Parse(docsHTML))

// listed is one route, or one problem type, on a page.
type listed struct{ Method, Path, Summary, Description string }

// docsRoutes comes last: it renders what the other routes have registered.
func (s *Server) docsRoutes() {
	s.nullable("WorkflowView", "progress", "result", "error")
	s.textOnly()
	document, err := json.MarshalIndent(s.huma.OpenAPI(), "", "  ")
	if err != nil {
		panic("api: the OpenAPI document can't be written: " + err.Error())
	}
	s.openapi = document
	index := page("Routes", "Every route of this API. The same as a document: /openapi.json. What the problem types mean: below.", append(s.operations(), problemTypes()...))
	html := func(content []byte) fiber.Handler {
		return func(c *fiber.Ctx) error {
			c.Response().Header.SetContentType(fiber.MIMETextHTMLCharsetUTF8)
			c.Response().SetBodyRaw(content)
			return nil
		}
	}
	s.handle(http.MethodGet, "/", "/", func(c *fiber.Ctx) error { return c.Redirect("/docs", http.StatusFound) })
	s.handle(http.MethodGet, "/docs", "/docs", html(index))
	s.handle(http.MethodGet, "/openapi.json", "/openapi.json", func(c *fiber.Ctx) error {
		c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
		c.Response().SetBodyRaw(s.openapi)
		return nil
	})
	for _, t := range problemTypes() {
		s.handle(http.MethodGet, "/docs/problems/{code}", t.Path, html(page(t.Summary, t.Description, nil)))
	}
}

// operations lists the documented routes by path.
func (s *Server) operations() []listed {
	var out []listed
	for path, item := range s.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				out = append(out, listed{op.Method, path, op.Summary, op.Description})
			}
		}
	}
	slices.SortFunc(out, func(a, b listed) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return out
}

// problemTypes lists the page of every code.
func problemTypes() []listed {
	var out []listed
	for _, code := range perennial.Codes() {
		out = append(out, listed{"problem", "/docs/problems/" + string(code), codes[code].title, fmt.Sprintf("Code %s, HTTP %d. %s", code, codes[code].status, codes[code].about)})
	}
	return out
}

func page(title, about string, rows []listed) []byte {
	var b bytes.Buffer
	if err := docsPage.Execute(&b, map[string]any{"Title": title, "About": about, "Rows": rows}); err != nil {
		panic("api: a documentation page can't be written: " + err.Error())
	}
	return b.Bytes()
}

// document adds a route that huma doesn't serve to the OpenAPI document.
func (s *Server) document(op *huma.Operation) {
	if _, ok := s.templates[fiberPattern(op.Path)]; !ok {
		s.templates[fiberPattern(op.Path)] = op.Path
	}
	secure(op)
	s.huma.OpenAPI().AddOperation(op)
}

func schemaOf[T any](s *Server) *huma.Schema {
	return huma.SchemaFromType(s.huma.OpenAPI().Components.Schemas, reflect.TypeFor[T]())
}

func (s *Server) jsonContent(schema *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{fiber.MIMEApplicationJSON: {Schema: schema}}
}

func (s *Server) problemResponse() *huma.Response {
	return &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{problemType: {Schema: schemaOf[client.Problem](s)}}}
}

// nullable says of a type's fields that they may be null, which huma can't say
// of a field that is an object.
func (s *Server) nullable(name string, fields ...string) {
	schema := s.huma.OpenAPI().Components.Schemas.Map()[name]
	for _, f := range fields {
		schema.Properties[f] = &huma.Schema{AnyOf: []*huma.Schema{schema.Properties[f], {Type: "null"}}}
	}
}

// textOnly says of every parameter that is a text what around demands of it.
func (s *Server) textOnly() {
	for _, item := range s.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post} {
			if op == nil {
				continue
			}
			for _, p := range op.Parameters {
				if p.Schema.Type == huma.TypeString && p.Schema.Pattern == "" {
					p.Schema.Pattern = `^[^\x00-\x1f\x7f-\x9f]*$`
				}
			}
		}
	}
}

// nearby gives up to four documented paths that are close to one that no route
// has: as long and misspelt by a letter or two, else with the same beginning.
func (s *Server) nearby(path string) []string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var misspelt, related []string
	for _, op := range s.operations() {
		known := strings.Split(strings.Trim(op.Path, "/"), "/")
		entry := op.Method + " " + op.Path
		if len(known) == len(parts) && apart(known, parts) <= 2*len(parts) && apart(known, parts) > 0 {
			misspelt = append(misspelt, entry)
		}
		if known[0] == parts[0] {
			related = append(related, entry)
		}
	}
	if len(misspelt) == 0 {
		misspelt = related
	}
	return misspelt[:min(len(misspelt), 4)]
}

// apart adds up the edit distances of literal segments; a parameter takes any
// text. A segment that is off by more than two letters is another word.
func apart(known, came []string) int {
	sum := 0
	for i, k := range known {
		if strings.HasPrefix(k, "{") {
			continue
		}
		d := editDistance(k, came[i])
		if d > 2 {
			return 1000
		}
		sum += d
	}
	return sum
}

// editDistance is Levenshtein's, over bytes.
func editDistance(a, b string) int {
	if len(b) > 64 {
		return len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
