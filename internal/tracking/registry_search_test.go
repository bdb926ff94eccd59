package tracking_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestSearchVersions(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, run := w.logged(t, "clf")
		w.post(t, "registered-models/create", object{"name": "iris"})
		w.post(t, "registered-models/create", object{"name": "wine"})
		for _, k := range []string{"0", "1", "2"} {
			w.version(t, "iris", model, object{"tags": []object{{"key": "k", "value": k}}})
		}
		w.version(t, "wine", model, nil)
		find := func(filter string, more ...string) []string {
			return names(w.get(t, search("model-versions/search", filter, more...))["model_versions"], "version")
		}
		require.Equal(t, []string{"3", "2", "1"}, find("name = 'iris'"), "newest first")
		require.Equal(t, []string{"3"}, find("name = 'iris' and tags.k = '2'"))
		require.Len(t, find("run_id = '"+run+"'"), 4)
		require.Len(t, find("run_id IN ('"+run+"', 'x')"), 4)
		require.Empty(t, find("run_id IN ('x')"))
		require.Len(t, find("name IN ('iris', 'wine',)"), 4)
		require.Len(t, find("name NOT IN ('iris')"), 1)
		require.Equal(t, []string{"3", "2"}, find("version_number >= '2' AND name = 'iris'"))
		w.refuse(t, invalid, http.MethodGet, search("model-versions/search", "version_number >= 'two'"), nil)
		require.Equal(t, []string{"wine"}, names(w.get(t, search("registered-models/search", "name NOT IN ('iris')"))["registered_models"], "name"))
		require.Equal(t, []string{"3", "2"}, find("version_number >= 2 AND name = 'iris'"))
		require.Len(t, find("source_path LIKE 'models:/m-%'"), 4)
		require.Equal(t, []string{"1", "2"}, find("name = 'iris'", "order_by", "version_number ASC", "max_results", "2"))
		w.call(t, 200, http.MethodPatch, "model-versions/update", object{"name": "iris", "version": "1", "description": "seen"})
		require.Equal(t, []string{"1", "3", "2"}, find("name = 'iris'"), "changed last first")
		for _, v := range []object{{"name": "iris", "version": "3"}, {"name": "wine", "version": "1"}} {
			w.post(t, "model-versions/set-tag", object{"name": v["name"], "version": v["version"], "key": "pick", "value": "1"})
		}
		picked := w.get(t, search("model-versions/search", "tags.pick = '1'", "order_by", "name ASC"))
		require.Equal(t, []any{object{"key": "k", "value": "2"}, object{"key": "pick", "value": "1"}}, at(t, picked, "model_versions", 0, "tags"))
		require.Equal(t, []any{object{"key": "pick", "value": "1"}}, at(t, picked, "model_versions", 1, "tags"), "not those of iris 1")
		w.refuse(t, invalid, http.MethodGet, search("model-versions/search", "status = 'READY'"), nil)
		w.refuse(t, invalid, http.MethodGet, search("model-versions/search", "", "max_results", "200001"), nil)
	})
}
