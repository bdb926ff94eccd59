package infer_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/infer"
	"github.com/perennial-ml/perennial/models"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// messy is every file of testdata/messy with what is asked of it; its golden file
// has the schema and the pipeline, or the error.
var messy = map[string]infer.Options{
	"semicolons-decimal-commas":      {Target: "Preis", Time: "Datum"},
	"tabs":                           {Target: "weight"},
	"bars-and-quotes":                {Target: "state"},
	"byte-order-mark-crlf":           {Target: "art"},
	"windows-1252":                   {Target: "teuer"},
	"utf-16":                         {Target: "b"},
	"no-column-names":                {Target: "species"},
	"names-twice-and-empty":          {Target: "y"},
	"many-words-for-null":            {Target: "churn"},
	"thousands-currency-percent":     {Target: "revenue"},
	"points-for-thousands":           {Target: "Ziel"},
	"dates-and-times":                {Target: "y"},
	"day-or-month":                   {Target: "y"},
	"booleans":                       {Target: "buys"},
	"ids-and-codes":                  {Target: "price"},
	"free-text-line-breaks":          {Target: "verdict"},
	"high-cardinality":               {Target: "rent"},
	"constant-empty-and-leak":        {Target: "state"},
	"rare-class":                     {Target: "fraud"},
	"few-rows":                       {Target: "alive"},
	"ragged-rows":                    {Target: "y"},
	"open-quote":                     {Target: "y"},
	"rows-without-target":            {Target: "y", Group: "group"},
	"spaces-after-commas":            {Target: "income"},
	"title-lines":                    {Target: "sales"},
	"excel-sep-line":                 {Target: "b"},
	"one-class":                      {Target: "y"},
	"one-column":                     {Target: "x"},
	"whole-numbers-as-classes":       {Target: "quality"},
	"empty-rows-and-columns":         {Target: "T", Time: "Date"},
	"one-thing-in-several-spellings": {Target: "y"},
}

func TestMessyFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/messy/*.csv")
	require.NoError(t, err)
	require.Len(t, files, len(messy))
	for name, o := range messy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(filepath.Join("testdata/messy", name+".csv"))
			require.NoError(t, err)
			d, err := infer.Infer(t.Context(), name+".csv", bytes.NewReader(b), o)
			golden(t, name, told(d, err))
			if err != nil {
				require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
				return
			}
			trains(t, d, b)
		})
	}
}

// told gives a draft or an error as a golden file has it.
func told(d *infer.Draft, err error) string {
	var b strings.Builder
	if err != nil {
		message, hint, fields := perennial.Explain(err)
		fmt.Fprintf(&b, "error: %s\nhint: %s\n", message, hint)
		for _, f := range fields {
			fmt.Fprintf(&b, "%d: %s\n", f.Line, f.Message)
		}
		return b.String()
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note: warning=%t %s: %s\n", n.Warning, n.Column, n.Text)
	}
	for line := range strings.Lines(string(d.Pipeline)) {
		if strings.HasPrefix(line, "  - {algorithm") || strings.HasPrefix(line, "tuning:") {
			continue // other slices of the program decide them
		}
		b.WriteString(line)
	}
	return fmt.Sprintf("%s---\n%s---\n%s\n", b.String(), d.Schema, d.Example)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata/messy", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// trains reads, splits, fits the first candidate and predicts what was held out,
// as a training does, and sends the draft's example.
func trains(t *testing.T, d *infer.Draft, content []byte) {
	t.Helper()
	p := &d.Spec.Pipeline
	table, _, err := dataset.Read(t.Context(), p.Data.Path, content, &d.Spec.Schema, p.Data.CSV)
	require.NoError(t, err)
	require.Equal(t, d.Rows, table.Rows)
	sides, err := dataset.Split(table, p.Split, nil)
	require.NoError(t, err)
	units, err := dataset.Units(table, p.Split)
	require.NoError(t, err)
	train, test := sides.Rows(units, perennial.SideTrain), sides.Rows(units, perennial.SideHoldout, perennial.SideStream)
	require.NotEmpty(t, p.Candidates)
	model, err := models.Fit(t.Context(), models.Spec{
		Task: p.Task, Schema: d.Spec.Schema, Preprocess: p.Preprocess, Algorithm: p.Candidates[0].Algorithm, Params: p.Candidates[0].Params,
		Seed: 1, Positive: p.Data.Positive,
	}, table, train)
	require.NoError(t, err)
	answers, err := model.PredictTable(table, test)
	require.NoError(t, err)
	require.Len(t, answers.Values, len(test))
	for _, v := range answers.Values {
		require.False(t, math.IsNaN(v) || math.IsInf(v, 0))
	}
	accepted(t, d)
}

// accepted checks the example against the schema, as serving does.
func accepted(t *testing.T, d *infer.Draft) {
	t.Helper()
	var features map[string]any
	require.NoError(t, json.Unmarshal(d.Example, &features), string(d.Example))
	for _, c := range d.Spec.Schema.Features() {
		value, ok := features[c.Name]
		require.True(t, ok, c.Name)
		var fault *perennial.Fault
		switch v := value.(type) {
		case nil:
			_, fault = c.Null()
		case float64:
			_, fault = c.FromNumber(v)
		case bool:
			_, fault = c.FromBool(v)
		case string:
			if c.Type != perennial.TypeCategorical || len(c.Values) > 0 {
				_, fault = c.FromString(v)
			}
		}
		require.Nil(t, fault, "%s: %v", c.Name, fault)
	}
}
