package tracking

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// modelGrammar is what filters and orders of registered models know.
var modelGrammar = &grammar{
	entity:   "registered model",
	prefixes: map[string]kind{"attribute": kindAttribute, "attributes": kindAttribute, "attr": kindAttribute, "tag": kindTag, "tags": kindTag},
	attributes: map[string]attribute{
		"name":                   {column: "registered_models.name", in: true},
		"creation_timestamp":     {column: "registered_models.creation_time", numeric: true, noFind: true},
		"last_updated_timestamp": {column: "registered_models.last_updated_time", numeric: true, noFind: true},
		"timestamp":              {column: "registered_models.last_updated_time", numeric: true, noFind: true},
	},
	valid: []string{"name"},
}

// versionGrammar is what filters and orders of versions know.
var versionGrammar = &grammar{
	entity:   "model version",
	prefixes: modelGrammar.prefixes,
	attributes: map[string]attribute{
		"name":                   {column: "model_versions.name", in: true},
		"run_id":                 {column: "model_versions.run_id", in: true, noOrder: true},
		"source_path":            {column: "model_versions.source", noOrder: true},
		"version_number":         {column: "model_versions.version", numeric: true, quoted: true},
		"creation_timestamp":     {column: "model_versions.creation_time", numeric: true, noFind: true},
		"last_updated_timestamp": {column: "model_versions.last_updated_time", numeric: true, noFind: true},
	},
	valid: []string{"name", "run_id", "source_path", "version_number"},
}

// Pages of the registry: by default, and at most.
const (
	modelsPage, modelsPageMax     = 100, 1000
	versionsPage, versionsPageMax = 10_000, 200_000
)

// page is one page of a search.
type page struct{ offset, limit int }

// pageOf reads what a request says of its page.
func pageOf(limit *mlflow.Int, token string, usual, most int) (page, error) {
	size, err := pageSize(limit, usual, most)
	p := page{limit: size}
	if err != nil {
		return p, err
	}
	if token == "" {
		return p, nil
	}
	var at struct {
		Offset *int `json:"offset"`
	}
	var b []byte
	b, err = base64.StdEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err != nil || at.Offset == nil || *at.Offset < 0 {
		return p, mlflow.Invalid("Invalid page token, could not decode it: give next_page_token as it came.")
	}
	p.offset = *at.Offset
	return p, nil
}

// next gives the token of the following page, "" where there is none. More rows
// than the page holds were asked for.
func (p page) next(found int) string {
	if found <= p.limit {
		return ""
	}
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"offset": %d}`, p.offset+p.limit))
}

// rows reads a page of what a query finds, and gives the token of the next.
func rows[T any](q *gorm.DB, p page) (list []T, next string, err error) {
	if err := q.Offset(p.offset).Limit(p.limit + 1).Find(&list).Error; err != nil {
		return nil, "", err
	}
	next = p.next(len(list))
	return list[:min(len(list), p.limit)], next, nil
}

// searchModels searches registered models, by name unless another order is asked
// for.
func (s *Server) searchModels(ctx context.Context, in *mlflow.SearchRegistry) (*mlflow.RegisteredModels, error) {
	const op = "tracking.searchModels"
	p, err := pageOf(in.MaxResults, in.PageToken, modelsPage, modelsPageMax)
	if err != nil {
		return nil, err
	}
	g := s.store.db.WithContext(ctx)
	q, err := registryQuery(g, modelGrammar, modelTags, in)
	if err != nil {
		return nil, err
	}
	found, next, err := rows[modelRow](q.Order(byteOrder(g, "registered_models.name")), p)
	if err != nil {
		return nil, db.Fault(op, err)
	}
	models, err := readModels(g, found)
	return &mlflow.RegisteredModels{RegisteredModels: models, NextPageToken: next}, db.Fault(op, err)
}

// searchVersions searches versions, those that were changed last first unless another
// order is asked for.
func (s *Server) searchVersions(ctx context.Context, in *mlflow.SearchRegistry) (*mlflow.ModelVersions, error) {
	const op = "tracking.searchVersions"
	p, err := pageOf(in.MaxResults, in.PageToken, versionsPage, versionsPageMax)
	if err != nil {
		return nil, err
	}
	g := s.store.db.WithContext(ctx)
	q, err := registryQuery(g, versionGrammar, versionTags, in)
	if err != nil {
		return nil, err
	}
	if len(in.OrderBy) == 0 {
		q = q.Order("model_versions.last_updated_time DESC")
	}
	found, next, err := rows[versionRow](q.Order(byteOrder(g, "model_versions.name")+", model_versions.version DESC"), p)
	if err != nil {
		return nil, db.Fault(op, err)
	}
	versions, err := wireVersions(g, found)
	return &mlflow.ModelVersions{ModelVersions: versions, NextPageToken: next}, db.Fault(op, err)
}

// registryQuery asks for what a filter finds in the order that is asked for.
func registryQuery(g *gorm.DB, grammar *grammar, tags tagsOf, in *mlflow.SearchRegistry) (*gorm.DB, error) {
	clauses, err := grammar.parse(in.Filter)
	if err != nil {
		return nil, err
	}
	terms, err := grammar.order(in.OrderBy)
	if err != nil {
		return nil, err
	}
	q := g.Session(&gorm.Session{})
	for _, c := range clauses {
		if c.kind == kindTag {
			q = withTag(q, tags, c)
		} else {
			q = withAttribute(q, grammar, c)
		}
	}
	for _, t := range terms {
		if t.kind != kindAttribute {
			return nil, mlflow.Invalid("Invalid order_by key '%s': a %s is ordered by its attributes.", clip(t.key), grammar.entity)
		}
		q = q.Order(t.key + direction(t.descending))
	}
	return q, nil
}

// withAttribute narrows a query by an attribute, whose key is its column.
func withAttribute(q *gorm.DB, g *grammar, c condition) *gorm.DB {
	return q.Where(compare(q, c.key, c, g.numeric(c)))
}

// withTag narrows a query by a tag or param. An entity without the key matches IS
// NULL only, but for the one clause that MLflow's client puts on every search of
// models: what has no mark of a prompt is none.
func withTag(q *gorm.DB, tags tagsOf, c condition) *gorm.DB {
	if c.op == opNotEqual && c.key == mlflow.TagIsPrompt {
		c.op = opEqual
		return q.Not(keyed(q, tags.table, tags.join, c))
	}
	return q.Where(keyed(q, tags.table, tags.join, c))
}
