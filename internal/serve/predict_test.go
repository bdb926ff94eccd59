package serve_test

import (
	"context"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
)

var idRE = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// ask predicts and gives the answer with its ids replaced.
func ask(t *testing.T, e *serve.Engine, body string) (string, error) {
	t.Helper()
	answer, err := e.Predict(t.Context(), []byte(body), perennial.KindLive)
	if err != nil {
		require.Nil(t, answer)
		return "", err
	}
	require.True(t, json.Valid(answer), "%s", answer)
	return idRE.ReplaceAllString(string(answer), "ID"), nil
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const head = `"model":"churn","version":"5","variant":"champion"`
	const probabilities = `"prediction":"no","probabilities":{"no":0.75,"yes":0.25}`
	for name, test := range map[string]struct{ body, want string }{
		"one row": {request(row(nil)), `{"prediction_id":"ID",` + head + `,` + probabilities + `}`},
		"one row with a warning": {request(row(map[string]any{"income": 1200000})), `{"prediction_id":"ID",` + head + `,` + probabilities +
			`,"warnings":[{"path":"/features/income","rule":"range","message":"income is outside 0 to 1e+06."}]}`},
		"id, target and ignored columns are accepted": {request(row(map[string]any{"customer_id": 7, "churned": []int{1}, "email": "a@b.c"})),
			`{"prediction_id":"ID",` + head + `,` + probabilities + `}`},
		"extra columns are ignored":             {request(row(map[string]any{"other": map[string]any{"deep": []int{1}}})), `{"prediction_id":"ID",` + head + `,` + probabilities + `}`},
		"a nullable column may be null":         {request(`{"signup_date":"2026-03-01","plan":"basic","postcode":"x","income":null,"tenure":1.2e1,"is_student":true}`), `{"prediction_id":"ID",` + head + `,` + probabilities + `}`},
		"a nullable column may be missing":      {request(row(map[string]any{"income": nil})), `{"prediction_id":"ID",` + head + `,` + probabilities + `}`},
		"escaped names and values":              {request(`{"sign\u0075p_date":"2026\u002d03-01","plan":"\u0062asic","postcode":"\ud83d\ude00\t\"","tenure":0,"is_student":true}`), `{"prediction_id":"ID",` + head + `,` + probabilities + `}`},
		"the model may stand last, white space": {" {\n\"features\" : " + row(nil) + "\t,\r\n\"model\":\"churn\"} ", `{"prediction_id":"ID",` + head + `,` + probabilities + `}`},
		"regression":                            {`{"model":"house","features":{"rooms":4.25,"age":0.276}}`, `{"prediction_id":"ID","model":"house","version":"1","variant":"champion","prediction":4.526}`},
		"small numbers":                         {`{"model":"house","features":{"rooms":1e-9,"age":0}}`, `{"prediction_id":"ID","model":"house","version":"1","variant":"champion","prediction":1e-09}`},
		"large numbers":                         {`{"model":"house","features":{"rooms":1e20,"age":-0}}`, `{"prediction_id":"ID","model":"house","version":"1","variant":"champion","prediction":100000000000000000000}`},
		"instances": {`{"model":"churn","unit_id":"n42","keys":["a1","a2"],"instances":[` + row(nil) + `,` + row(map[string]any{"income": -1}) + `]}`,
			`{` + head + `,"predictions":[{"prediction_id":"ID",` + probabilities + `},{"prediction_id":"ID",` + probabilities + `}],` +
				`"warnings":[{"path":"/instances/1/income","rule":"range","message":"income is outside 0 to 1e+06."}]}`},
		"instances without keys": {`{"model":"house","instances":[{"rooms":1,"age":2}]}`,
			`{"model":"house","version":"1","variant":"champion","predictions":[{"prediction_id":"ID","prediction":3}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ask(t, start(t, newWorld()), test.body)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

// finding is the part of a fault that the tests look at.
type finding struct{ path, rule, came string }

func findings(t *testing.T, err error) []finding {
	t.Helper()
	_, _, list := perennial.Explain(err)
	out := []finding{}
	for _, f := range list {
		came := ""
		if f.Came != nil {
			b, err := json.Marshal(f.Came)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, new(any)), "every client can read it")
			came = string(b)
		}
		require.NotEmpty(t, f.Message)
		out = append(out, finding{f.Path, f.Rule, came})
	}
	return out
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	house := func(s string) string { return `{"model":"house",` + s + `}` }
	for name, test := range map[string]struct {
		body string
		want []finding
	}{
		"unknown category":     {request(row(map[string]any{"plan": "gold"})), []finding{{"/features/plan", "category", `"gold"`}}},
		"missing":              {request(row(map[string]any{"plan": nil})), []finding{{"/features/plan", "required", ""}}},
		"null":                 {house(`"features":{"rooms":null,"age":1}`), []finding{{"/features/rooms", "required", "null"}}},
		"string for number":    {house(`"features":{"rooms":"4","age":1}`), []finding{{"/features/rooms", "type", `"4"`}}},
		"NaN as a string":      {house(`"features":{"rooms":"NaN","age":1}`), []finding{{"/features/rooms", "type", `"NaN"`}}},
		"boolean for number":   {house(`"features":{"rooms":true,"age":1}`), []finding{{"/features/rooms", "type", "true"}}},
		"object for number":    {house(`"features":{"rooms":{},"age":[]}`), []finding{{"/features/rooms", "type", ""}, {"/features/age", "type", ""}}},
		"a huge number":        {house(`"features":{"rooms":1e999,"age":-1e999}`), []finding{{"/features/rooms", "finite", `"1e999"`}, {"/features/age", "finite", `"-1e999"`}}},
		"a huge label":         {house(`"unit_id":1e400,"features":{"rooms":1,"age":1}`), []finding{{"/unit_id", "type", `"1e400"`}}},
		"half an integer":      {request(row(map[string]any{"tenure": 1.5})), []finding{{"/features/tenure", "type", "1.5"}}},
		"out of range":         {request(row(map[string]any{"tenure": 300})), []finding{{"/features/tenure", "range", "300"}}},
		"number for category":  {request(row(map[string]any{"postcode": 1010})), []finding{{"/features/postcode", "type", "1010"}}},
		"no date":              {request(row(map[string]any{"signup_date": "1 March"})), []finding{{"/features/signup_date", "date", `"1 March"`}}},
		"extra column":         {house(`"features":{"rooms":1,"age":1,"a/b~c":1}`), []finding{{"/features/a~1b~0c", "extra", ""}}},
		"duplicate feature":    {house(`"features":{"rooms":1,"age":1,"r\u006foms":2}`), []finding{{"/features/rooms", "duplicate_field", ""}}},
		"duplicate extra":      {request(`{"x":1,"x":2,` + row(nil)[1:]), []finding{{"/features/x", "duplicate_field", ""}}},
		"duplicate field":      {house(`"model":"house","features":{"rooms":1,"age":1}`), []finding{{"/model", "duplicate_field", ""}}},
		"unknown field":        {`{"modell":"house","features":{}}`, []finding{{"/modell", "unknown_field", ""}, {"/model", "required", ""}}},
		"everything at once":   {house(`"x":1,"unit_id":7,"features":{"rooms":"a"}`), []finding{{"/x", "unknown_field", ""}, {"/unit_id", "type", "7"}, {"/features/rooms", "type", `"a"`}, {"/features/age", "required", ""}}},
		"an empty model":       {`{"model":"","features":{}}`, []finding{{"/model", "length", ""}}},
		"no features":          {house(`"unit_id":"a"`), []finding{{"/features", "one_of", ""}}},
		"features twice over":  {house(`"features":{"rooms":1,"age":1},"instances":[]`), []finding{{"/features", "one_of", ""}}},
		"features of a string": {house(`"features":"x"`), []finding{{"/features", "type", `"x"`}}},
		"no instances":         {house(`"instances":[]`), []finding{{"/instances", "length", ""}}},
		"instances":            {house(`"instances":[{"rooms":1,"age":1},7,{"rooms":1},{"rooms":null,"age":2}]`), []finding{{"/instances/1", "type", "7"}, {"/instances/2/age", "required", ""}, {"/instances/3/rooms", "required", "null"}}},
		"keys of another size": {house(`"keys":["a"],"instances":[{"rooms":1,"age":1},{"rooms":1,"age":1}]`), []finding{{"/keys", "length", ""}}},
		"a key that is none":   {house(`"keys":["a",2],"instances":[{"rooms":1,"age":1},{"rooms":1,"age":1}]`), []finding{{"/keys/1", "type", "2"}}},
		"keys for one row":     {house(`"keys":["a"],"features":{"rooms":1,"age":1}`), []finding{{"/keys", "one_of", ""}}},
		"key for instances":    {house(`"key":"a","instances":[{"rooms":1,"age":1}]`), []finding{{"/key", "one_of", ""}}},
		"an empty unit":        {house(`"unit_id":"","features":{"rooms":1,"age":1}`), []finding{{"/unit_id", "length", `""`}}},
		"a control character":  {house(`"key":"a\u0000","features":{"rooms":1,"age":1}`), []finding{{"/key", "character", `"a\u0000"`}}},
		"an array":             {`[]`, []finding{{"", "type", ""}}},
		"null itself":          {` null `, []finding{{"", "type", ""}}},
		"model of a number":    {`{"model":1,"features":{}}`, []finding{{"/model", "type", "1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			_, err := ask(t, start(t, w), test.body)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), "%v", err)
			require.Equal(t, test.want, findings(t, err))
			require.Empty(t, w.log())
		})
	}
}

func TestWarningsOfManyRowsAreListed(t *testing.T) {
	t.Parallel()
	outside := row(map[string]any{"income": -1})
	many := `{"model":"churn","instances":[` + strings.TrimSuffix(strings.Repeat(outside+",", 150), ",") + `]}`
	got, err := ask(t, start(t, newWorld()), many)
	require.NoError(t, err)
	require.Equal(t, 150, strings.Count(got, `"rule":"range"`))
	require.NotContains(t, got, `"more"`)

	w := newWorld()
	w.files["house/1"].schema.ExtraColumns = perennial.ExtraWarn
	extra := make(map[string]int, 120)
	for i := range 120 {
		extra[strings.Repeat("x", i+1)] = i
	}
	extra["rooms"], extra["age"] = 1, 1
	b, err := json.Marshal(map[string]any{"model": "house", "features": extra})
	require.NoError(t, err)
	got, err = ask(t, start(t, w), string(b))
	require.NoError(t, err)
	require.Equal(t, 100, strings.Count(got, `"rule":"extra"`))
	require.Contains(t, got, `{"path":"","rule":"more","came":20,"message":"20 more warnings are not listed."}`)
}

func TestRefusalExplainsItself(t *testing.T) {
	t.Parallel()
	e := start(t, newWorld())
	_, err := ask(t, e, request(row(map[string]any{"plan": "gold"})))
	message, hint, list := perennial.Explain(err)
	require.Equal(t, "1 field is wrong; nothing was predicted or logged.", message)
	require.Equal(t, "GET /models/churn/schema shows the accepted fields.", hint)
	require.Equal(t, []string{"basic", "plus", "pro"}, list[0].Allowed)
	_, err = ask(t, e, `{"model":"house","instances":[`+strings.Repeat(`{},`, 200)+`{}]}`)
	message, _, list = perennial.Explain(err)
	require.Equal(t, "402 fields are wrong; nothing was predicted or logged.", message)
	require.Len(t, list, 100)
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, want string }{
		"empty":              {" \n", "The body is empty."},
		"cut":                {`{"model":"house"`, "it ends too early at byte 16, line 1"},
		"NaN":                {"{\"model\":\"house\",\n\"features\":{\"rooms\":NaN}}", "unexpected 'N' at byte 38, line 2"},
		"Infinity":           {`{"model":"house","features":{"rooms":-Infinity}}`, "unexpected 'I' at byte 38"},
		"leading zero":       {`{"model":"house","features":{"rooms":01}}`, "unexpected '1'"},
		"a plus":             {`{"model":+1}`, "unexpected '+'"},
		"no digits":          {`{"model":1.}`, "unexpected '}'"},
		"trailing comma":     {`{"model":"house",}`, "unexpected '}'"},
		"trailing text":      {`{} {}`, "there is more after the end"},
		"single quotes":      {`{'model':1}`, `unexpected '\''`},
		"a bare word":        {`nope`, "unexpected 'n'"},
		"a control":          {"{\"a\nb\":1}", "a control character in a string"},
		"invalid UTF-8":      {"{\"model\":\"\xff\"}", "invalid UTF-8"},
		"UTF-8 outside":      {"\xff", "invalid UTF-8"},
		"lone surrogate":     {`{"model":"\ud800"}`, "an invalid \\u escape"},
		"half a pair":        {`{"model":"\ud800\u0041"}`, "an invalid \\u escape"},
		"invalid escape":     {`{"model":"\x"}`, "an invalid escape"},
		"cut in an escape":   {`{"model":"\u00`, "an invalid \\u escape"},
		"nested too deeply":  {`{"model":"house","features":{"a":` + strings.Repeat("[", 100), "nested too deeply"},
		"a missing colon":    {`{"model" "x"}`, `unexpected '"'`},
		"wrong end of array": {`{"instances":[1}`, `unexpected '}'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ask(t, start(t, newWorld()), test.body)
			require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err), "%v", err)
			message, _, _ := perennial.Explain(err)
			require.Contains(t, message, test.want)
		})
	}
}

func TestUnknownModelNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	_, err := ask(t, start(t, newWorld()), `{"model":"chrun","features":{}}`)
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	message, hint, _ := perennial.Explain(err)
	require.Equal(t, `There is no model named "chrun".`, message)
	require.Equal(t, "In service: churn, house.", hint)
}

func TestModelInTrainingIsUnavailable(t *testing.T) {
	t.Parallel()
	e := start(t, newWorld())
	_, err := ask(t, e, `{"model":"training","features":{}}`)
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	require.Equal(t, []finding{{"/model", "not_serving", `"training"`}}, findings(t, err))
	_, err = e.Schema("training")
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
}

func TestAModelThatIsNotHereSaysWhatWouldHelp(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.slow = map[string]chan struct{}{"late/3": make(chan struct{})}
	defer close(w.slow["late/3"])
	w.files["late/3"] = w.files["house/1"]
	e := start(t, w)
	w.put(perennial.Traffic{Model: "late", Mode: perennial.ModeServing, Champion: "3", Epoch: 1})
	w.put(perennial.Traffic{Model: "retired", Mode: perennial.ModeNone, Epoch: 4})
	for model, want := range map[string]struct{ rule, says string }{
		"training": {serve.RuleTraining, "training has no version in service yet."},
		"late":     {serve.RuleLoading, "late isn't ready yet: version 3 is on its way into service."},
		"retired":  {serve.RuleNoVersion, "retired has no version in service."},
	} {
		require.Eventually(t, func() bool {
			_, err := e.Predict(t.Context(), []byte(`{"model":"`+model+`","features":{}}`), perennial.KindLive)
			message, hint, fields := perennial.Explain(err)
			return perennial.CodeOf(err) == perennial.CodeUnavailable && message == want.says && hint != "" && fields[0].Rule == want.rule
		}, 10*time.Second, 10*time.Millisecond, model)
	}
}

func TestTooManyInstances(t *testing.T) {
	t.Parallel()
	w := newWorld()
	o := w.options()
	o.MaxInstances = 2
	e := serve.New(o)
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, e.Stop(context.Background())) })
	_, err := ask(t, e, `{"model":"house","instances":[{"rooms":1,"age":1},{"rooms":1,"age":1}]}`)
	require.NoError(t, err)
	_, err = ask(t, e, `{"model":"house","instances":[{"rooms":1,"age":1},{"rooms":1,"age":1},{"rooms":1,"age":1}]}`)
	require.Equal(t, perennial.CodeTooLarge, perennial.CodeOf(err))
}

func TestLateRequest(t *testing.T) {
	t.Parallel()
	w := newWorld()
	e := start(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Predict(ctx, []byte(request(row(nil))), perennial.KindLive)
	require.Equal(t, perennial.CodeDeadline, perennial.CodeOf(err))
	require.Empty(t, w.log())
}

func TestLogRow(t *testing.T) {
	t.Parallel()
	w := newWorld()
	e := start(t, w)
	features := row(nil)
	answer, err := e.Predict(t.Context(), []byte(request(features)), perennial.KindConsole)
	require.NoError(t, err)
	got := w.log()[0]
	require.JSONEq(t, features, string(got.Features))
	require.Contains(t, string(answer), got.ID)
	require.Positive(t, got.LatencyNS)
	require.Positive(t, got.At)
	require.True(t, math.IsNaN(got.Value))
	got.ID, got.LatencyNS, got.At, got.Features, got.Value = "", 0, 0, nil, 0
	require.Equal(t, perennial.Prediction{Replica: "here", Model: "churn", Version: "5", Variant: perennial.VariantChampion, Epoch: 1, Bucket: -1,
		UnitID: "user-17", Key: "order-8812", Kind: perennial.KindConsole, Status: "ok", Answer: "no",
		Probabilities: map[string]float64{"no": 0.75, "yes": 0.25}, DecisionID: "d1"}, got)
}

func TestLogOfInstances(t *testing.T) {
	t.Parallel()
	w := newWorld()
	_, err := ask(t, start(t, w), `{"model":"house","keys":["a","b"],"instances":[{"rooms":1,"age":2},{"rooms":3,"age":4}]}`)
	require.NoError(t, err)
	log := w.log()
	require.Len(t, log, 2)
	require.NotEqual(t, log[0].ID, log[1].ID)
	require.Equal(t, []float64{3, 7}, []float64{log[0].Value, log[1].Value})
	require.Equal(t, []string{"a", "b"}, []string{log[0].Key, log[1].Key})
	require.Equal(t, `{"rooms":3,"age":4}`, string(log[1].Features))
}

func TestLogPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld()
	m := w.files["churn/5"]
	m.schema.Columns[3].Log = perennial.LogHash // postcode
	m.schema.Columns[4].Log = perennial.LogHash // income
	m.schema.Columns[6].Log = perennial.LogNever
	_, err := ask(t, start(t, w), request(`{"email":"a@b.c","signup_date":"2026-03-01","plan":"ba\u0073ic","postcode":"10\u00310","income":null,"tenure":1,"is_student":true,"extra":[1]}`))
	require.NoError(t, err)
	got := w.log()[0]
	// printf 1010 | sha256sum
	require.JSONEq(t, `{"signup_date":"2026-03-01","plan":"ba\u0073ic","postcode":"7a5df5ffa0dec2228d90b8d0a0f1b0767b748b0a41314c123075b8289e4e053f","income":null,"tenure":1,"extra":[1]}`, string(got.Features))
	require.Equal(t, []string{"email", "postcode", "is_student"}, got.Redacted)
}
