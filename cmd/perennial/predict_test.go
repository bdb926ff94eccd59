package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/serve"
)

func churnSchema() perennial.Schema {
	return perennial.Schema{Version: 1, Columns: []perennial.Column{
		{Name: "customer", Role: perennial.RoleID},
		{Name: "plan", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, Values: []string{"basic", "plus"}},
		{Name: "income", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true},
		{Name: "student", Role: perennial.RoleFeature, Type: perennial.TypeBoolean},
		{Name: "churned", Role: perennial.RoleTarget, Type: perennial.TypeCategorical, Values: []string{"no", "yes"}},
	}}
}

// predictor answers "yes" for plan plus and refuses plan gold.
func churnModel(t *testing.T) *fake {
	t.Helper()
	return newFake(t, map[string]any{"GET /models/churn/schema": churnSchema(), "POST /predict": func(body []byte) any {
		var req client.PredictRequest
		if err := json.Unmarshal(body, &req); err != nil {
			panic(err)
		}
		resp := client.PredictResponse{Model: "churn", Version: "5", Variant: perennial.VariantChampion}
		refused := perennial.Errorf(perennial.CodeInvalid, "", "Fields are wrong; nothing was predicted or logged.")
		for i, raw := range req.Instances {
			var features map[string]any
			if err := json.Unmarshal(raw, &features); err != nil {
				panic(err)
			}
			if features["plan"] == "gold" {
				refused.Fields = append(refused.Fields, perennial.FieldError{Path: fmt.Sprintf("/instances/%d/plan", i), Rule: "category", Message: "plan is not one of the 2 known values."})
			}
			a := client.Answer{PredictionID: "p", Prediction: "no", Probabilities: map[string]float64{"no": 0.75, "yes": 0.25}}
			if features["plan"] == "plus" {
				a.Prediction = "yes"
			}
			resp.Predictions = append(resp.Predictions, a)
		}
		if len(refused.Fields) > 0 {
			refused.Fields = refused.Fields[:1] // a server lists a limited number
			return refused
		}
		return resp
	}})
}

const churnCSV = "\ufeffcustomer,plan,income,student,churned\nc1,basic,1200000,true,no\nc2,gold,,false,\nc3,plus,0.1,1,yes\nc4,gold,1,0,\n"

func TestPredictCSV(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	got := perennialCLI(t, churnCSV, "predict", "churn", "--input", "-", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, `row,customer,prediction,probability_no,probability_yes,prediction_id,version,error
1,c1,no,0.75,0.25,p,5,
2,c2,,,,,,plan is not one of the 2 known values.
3,c3,yes,0.75,0.25,p,5,
4,c4,,,,,,plan is not one of the 2 known values.
`, got.out)
	require.Equal(t, "row 2: plan is not one of the 2 known values.\nrow 4: plan is not one of the 2 known values.\n2 rows predicted by version 5, 2 refused\n", got.err)
	asked := f.requests()
	require.Equal(t, `POST /predict {"model":"churn","keys":["c1","c3"],"instances":[{"income":1200000,"plan":"basic","student":true},{"income":0.1,"plan":"plus","student":true}]}`, asked[len(asked)-1])
	require.Contains(t, asked[2], `"income":null`)
	_ = perennialCLI(t, "customer,plan,income,student\nc1,basic,1e400,true\n", "predict", "churn", "--input", "-", "--api", f.url)
	require.Contains(t, f.requests()[len(f.requests())-1], `"income":1e400`, "the API says that it is no finite number")
}

func TestAnInterruptEndsTheWaitForAVersion(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := churnModel(t)
	f.answers["GET /models/churn/schema"] = func([]byte) any {
		time.AfterFunc(100*time.Millisecond, cancel)
		return busy{serve.RuleLoading, "9"}
	}
	began := time.Now()
	got := runWith(ctx, "", "predict", "churn", "--input", "-", "--api", f.url)
	require.Less(t, time.Since(began), 8*time.Second)
	require.Equal(t, exitFailed, got.code)
	require.Equal(t, "perennial: interrupted\n", got.err, "what was refused before is no longer of interest")
	require.Len(t, f.requests(), 1)
}

func TestAnInterruptEndsTheWaitForStandardInput(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	typed, typing := io.Pipe() // nobody types any more
	t.Cleanup(func() { require.NoError(t, typing.Close()) })
	for name, line := range map[string]string{"nothing yet": "", "a line": "customer,plan,income,student\n"} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		var out, errs bytes.Buffer
		in := io.MultiReader(strings.NewReader(line), typed)
		require.Equal(t, exitFailed, run(ctx, []string{"predict", "churn", "--input", "-", "--api", f.url}, streams{in, &out, &errs}), name)
		require.Equal(t, "perennial: interrupted\n", errs.String(), name)
	}
}

func TestPredictWaitsForAVersionThatIsBeingLoaded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		busy  busy
		code  int
		asked int // requests for the schema and predictions
	}{
		"loading":          {busy{serve.RuleLoading, "0"}, exitDone, 4},
		"for too long":     {busy{serve.RuleLoading, "11"}, exitFailed, 1},
		"training":         {busy{serve.RuleTraining, "0"}, exitFailed, 1},
		"nothing promised": {busy{serve.RuleNoVersion, ""}, exitFailed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := churnModel(t)
			for _, route := range []string{"GET /models/churn/schema", "POST /predict"} {
				ready, asked := f.answers[route], false
				f.answers[route] = func(body []byte) any {
					if !asked {
						asked = true
						return c.busy
					}
					if predict, ok := ready.(func([]byte) any); ok {
						return predict(body)
					}
					return ready
				}
			}
			got := perennialCLI(t, `{"plan":"plus"}`, "predict", "churn", "--input", "-", "--api", f.url)
			require.Equal(t, c.code, got.code, got.err)
			require.Len(t, f.requests(), c.asked)
		})
	}
}

func TestPredictReadsCSVLikeThePipelinesData(t *testing.T) {
	t.Parallel()
	const asked = `POST /predict {"model":"churn","keys":["c1","c3"],"instances":[{"income":1200000.5,"plan":"basic","student":true},{"income":null,"plan":"plus","student":true}]}`
	german := perennial.CSVOptions{Delimiter: ";", Decimal: ",", Thousands: ".", Strip: []string{"EUR"}, NullValues: []string{"", "k.A."}}
	for name, input := range map[string]string{
		"as trained": "plan; income;customer;student\nbasic;EUR 1.200.000,5;c1;true\n plus ;k.A.;c3;1\n",
		"plain":      "plan,income,customer,student\nbasic,1200000.5,c1,true\nplus,,c3,1\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := churnModel(t)
			f.answers["GET /pipelines/churn"] = client.PipelineView{Spec: &perennial.Pipeline{Data: perennial.DataSource{CSV: german}}}
			got := perennialCLI(t, input, "predict", "churn", "--input", "-", "--api", f.url)
			require.Equal(t, exitDone, got.code, got.err)
			requests := f.requests()
			require.Equal(t, asked, requests[len(requests)-1])
		})
	}
}

func TestPredictStrictLeavesNoFile(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out.csv")
	require.NoError(t, os.WriteFile(in, []byte(churnCSV), 0o600))
	got := perennialCLI(t, "", "predict", "churn", "--input", in, "--output", out, "--strict", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "row 2: plan is not one of the 2 known values.")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestPredictJSONForms(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]string{
		"lines":  `{"plan":"basic"}` + "\n\n" + `{"plan":"plus"}` + "\n",
		"a list": "\n [ {\"plan\":\"basic\"},\n {\"plan\":\"plus\"} ]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := churnModel(t)
			out := filepath.Join(t.TempDir(), "out.jsonl")
			got := perennialCLI(t, input, "predict", "churn", "--input", "-", "--output", out, "--api", f.url)
			require.Equal(t, exitDone, got.code, got.err)
			b, err := os.ReadFile(out)
			require.NoError(t, err)
			//nolint:testifylint // byte for byte
			require.Equal(t, `{"row":1,"prediction_id":"p","prediction":"no","probabilities":{"no":0.75,"yes":0.25},"version":"5"}
{"row":2,"prediction_id":"p","prediction":"yes","probabilities":{"no":0.75,"yes":0.25},"version":"5"}
`, string(b))
		})
	}
}

func TestPredictInBatches(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	got := perennialCLI(t, strings.Repeat(`{"plan":"basic"}`+"\n", 1201), "predict", "churn", "--input", "-", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, 1201, strings.Count(got.out, "\n"))
	require.Len(t, f.requests(), 1+3)
}

func TestPredictBadInput(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	for name, tc := range map[string]struct{ input, text string }{
		"nothing":            {"", "standard input has no rows"},
		"broken JSON":        {`{"plan":"basic"}{"plan":`, "the input is not JSON after row 1"},
		"a list without end": {`[{"plan":"basic"}`, "the input is not JSON after row 1"},
		"a short line":       {"customer,plan\nc1\n", "the input is no CSV: line 2"},
		"every row refused":  {"plan\ngold\n", "every row was refused"},
		"a column twice":     {"plan,income, plan\nbasic,1,plus\n", `the header has the column "plan" more than once`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := perennialCLI(t, tc.input, "predict", "churn", "--input", "-", "--api", f.url)
			require.Equal(t, exitFailed, got.code)
			require.Contains(t, got.err, tc.text)
		})
	}
	got := perennialCLI(t, "", "predict", "churn", "--input", "/nowhere.csv", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "can't read /nowhere.csv")
	got = perennialCLI(t, "", "predict", "nope", "--input", "-", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
}

func TestPredictOfAFileWithoutRows(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	got := perennialCLI(t, "plan,income\n", "predict", "churn", "--input", "-", "--api", f.url)
	require.Equal(t, exitDone, got.code)
	require.Equal(t, "0 rows predicted, 0 refused\n", got.err)
	got = perennialCLI(t, "", "predict", "churn", "--input", t.TempDir(), "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "can't read")
}

func TestPredictTellsOfTheFirstRefusedRows(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	got := perennialCLI(t, "plan\nbasic\n"+strings.Repeat("gold\n", 30), "predict", "churn", "--input", "-", "--api", f.url)
	require.Equal(t, exitDone, got.code)
	require.Equal(t, 31, strings.Count(got.out, "\n")-1)
	require.Equal(t, 20+2, strings.Count(got.err, "\n"))
	require.Contains(t, got.err, "Further refused rows are named in the answers only.\n1 rows predicted by version 5, 30 refused\n")
}

func TestPredictKeepsWhatIsNoPlainFile(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	dir := t.TempDir()
	file, link := filepath.Join(dir, "answers.csv"), filepath.Join(dir, "link.csv")
	require.NoError(t, os.WriteFile(file, []byte("old"), 0o600))
	require.NoError(t, os.Symlink(file, link))
	for _, output := range []string{os.DevNull, link} {
		got := perennialCLI(t, "plan\nbasic\n", "predict", "churn", "--input", "-", "--output", output, "--api", f.url)
		require.Equal(t, exitDone, got.code, got.err)
	}
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	require.False(t, info.Mode().IsRegular())
	info, err = os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, os.ModeSymlink, info.Mode().Type())
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(b), "no")
}
