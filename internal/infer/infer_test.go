package infer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/infer"
)

func draft(t *testing.T, text string, o infer.Options) *infer.Draft {
	t.Helper()
	d, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader(text), o)
	require.NoError(t, err)
	return d
}

// rows repeats a line n times with its number for %d.
func rows(n int, line func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i) + "\n")
	}
	return b.String()
}

func TestNameFor(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"/tmp/Wine Quality (red).csv": "wine-quality-red", "churn.csv.gz": "churn", "2024_sales.csv": "data-2024-sales", `C:\data\Höhe.csv`: "h-he", "---.csv": "data",
		strings.Repeat("a", 80) + ".csv": strings.Repeat("a", 63),
	} {
		require.Equal(t, want, infer.NameFor(file))
		require.True(t, perennial.ValidName(infer.NameFor(file)))
	}
}

func TestFlagsOverruleWhatIsFound(t *testing.T) {
	t.Parallel()
	text := "nr,who,when,x,y\n" + rows(60, func(i int) string {
		return fmt.Sprintf("%d,u%d,2024-01-%02d,%d,%d", i, i%7, i%28+1, i*i%17, i%2)
	})
	d := draft(t, text, infer.Options{Target: "y", ID: "nr", Group: "who", Ignore: []string{"x"}, Positive: "0", Name: "other"})
	p, s := d.Spec.Pipeline, d.Spec.Schema
	require.Equal(t, "other", p.Name)
	require.Equal(t, "0", p.Data.Positive)
	require.Equal(t, perennial.SplitGroup, p.Split.By)
	for name, role := range map[string]perennial.Role{"nr": perennial.RoleID, "who": perennial.RoleFeature, "x": perennial.RoleIgnore, "y": perennial.RoleTarget} {
		c, ok := s.Column(name)
		require.True(t, ok)
		require.Equal(t, role, c.Role, name)
	}
	trains(t, d, []byte(text))
	d = draft(t, text, infer.Options{Target: "x", Time: "when", Task: perennial.Regression})
	require.Equal(t, perennial.SplitTime, d.Spec.Pipeline.Split.By)
	require.Equal(t, perennial.Regression, d.Spec.Pipeline.Task)
	trains(t, d, []byte(text))
	_, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader("x,y\n"+rows(12_000, func(i int) string { return fmt.Sprintf("%d,%d.5", i%7, i) })), infer.Options{Target: "y", Positive: "x"})
	require.ErrorContains(t, err, "--positive is for a target of two values, and y has more than 1000")
	for name, o := range map[string]infer.Options{
		"the target can't be --time too": {Target: "y", Time: "y"},
		`no column "where" for --ignore`: {Target: "y", Ignore: []string{"where"}},
		"can't order rows by it":         {Target: "y", Time: "who"},
		"both --id and --ignore":         {Target: "y", ID: "nr", Ignore: []string{"nr"}},
		"is for a target of two values":  {Target: "who", Positive: "u1"},
	} {
		_, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader(text), o)
		require.ErrorContains(t, err, strings.ReplaceAll(name, "the target can't", "the target and can't"))
	}
}

// A row without a target isn't trained on, and is what will be asked for: it
// must be answered, and an empty row at the end says nothing.
func TestRowsWithoutATargetMakeColumnsNullable(t *testing.T) {
	t.Parallel()
	text := "when,x,z,y\n" + rows(40, func(i int) string { return fmt.Sprintf("2024-01-%02d,%d,%d,%d.5", i%28+1, i, i%7, i*3%11) })
	d := draft(t, text+",NA,1,\n,,,\n", infer.Options{Target: "y", Time: "when"})
	require.Equal(t, 40, d.Rows)
	for name, want := range map[string]bool{"when": true, "x": true, "z": false} {
		c, _ := d.Spec.Schema.Column(name)
		require.Equal(t, want, c.Nullable, name)
	}
	trains(t, d, []byte(text+",NA,1,\n,,,\n"))
	_, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader(text+",1,1,2.5\n"), infer.Options{Target: "y", Time: "when"})
	require.ErrorContains(t, err, "1 rows have no when")
}

func TestTask(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value func(i int) string
		task  perennial.Task
		by    string // select.metric
	}{
		"two texts":            {func(i int) string { return []string{"a", "b"}[i%2] }, perennial.Classification, "log_loss"},
		"zero and one":         {func(i int) string { return fmt.Sprint(i % 2) }, perennial.Classification, "log_loss"},
		"two decimals":         {func(i int) string { return []string{"0.0", "1.0"}[i%2] }, perennial.Classification, "log_loss"},
		"True and False":       {func(i int) string { return []string{"True", "False"}[i%2] }, perennial.Classification, "log_loss"},
		"a rare one":           {func(i int) string { return fmt.Sprint(min(1, i%10) ^ 1) }, perennial.Classification, "average_precision"},
		"few whole numbers":    {func(i int) string { return fmt.Sprint(i % 7) }, perennial.Classification, "log_loss"},
		"many whole numbers":   {func(i int) string { return fmt.Sprint(i % 40) }, perennial.Regression, "rmse"},
		"decimals":             {func(i int) string { return fmt.Sprint(float64(i%9) / 4) }, perennial.Regression, "rmse"},
		"eleven texts":         {func(i int) string { return fmt.Sprint("c", i%11) }, perennial.Classification, "log_loss"},
		"numbers, some absent": {func(i int) string { return []string{"NA", fmt.Sprint(i)}[min(1, i%5)] }, perennial.Regression, "rmse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "x,y\n" + rows(200, func(i int) string { return fmt.Sprintf("%d,%s", i*7%13, c.value(i)) })
			d := draft(t, text, infer.Options{Target: "y"})
			require.Equal(t, c.task, d.Spec.Pipeline.Task)
			require.Equal(t, c.by, d.Spec.Pipeline.Select.Metric)
			trains(t, d, []byte(text))
		})
	}
}

func TestInferReadsWideGzippedAndLongFiles(t *testing.T) {
	t.Parallel()
	const wide = 3000
	var b strings.Builder
	for i := range wide {
		fmt.Fprintf(&b, "gene %d,", i)
	}
	b.WriteString("y\n")
	for i := range 12 {
		b.WriteString(strings.Repeat(fmt.Sprintf("%d.5,", i), wide) + []string{"ill\n", "well\n"}[i%2])
	}
	d := draft(t, b.String(), infer.Options{Target: "y"})
	require.Len(t, d.Spec.Schema.Features(), wide)

	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte("x,y\n" + rows(40, func(i int) string { return fmt.Sprintf("%d,%d", i%9, i) })))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	d, err = infer.Infer(t.Context(), "mine.csv.gz", &zipped, infer.Options{Target: "y", Path: "data/mine.csv.gz"})
	require.NoError(t, err)
	require.Equal(t, 40, d.Rows)

	// What only the last of many rows says decides too.
	long := "x,y\n" + rows(50_000, func(i int) string { return fmt.Sprintf("%d,%d.25", i%90, i) }) + "late,1.5\n"
	d = draft(t, long, infer.Options{Target: "y"})
	require.Equal(t, []string{"", "late"}, d.Spec.Pipeline.Data.CSV.NullValues)
	_, err = infer.Infer(t.Context(), "mine.csv", strings.NewReader(long+"1,2,3\n"), infer.Options{Target: "y"})
	require.ErrorContains(t, err, "line 50003: 1 of 50002 rows can't be read")
	_, err = infer.Infer(t.Context(), "mine.csv", strings.NewReader(long+"1,caf\xe9\n"), infer.Options{Target: "y"})
	require.ErrorContains(t, err, `"café"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = infer.Infer(ctx, "mine.csv", strings.NewReader(long), infer.Options{Target: "y"})
	require.Equal(t, perennial.CodeDeadline, perennial.CodeOf(err))
}

func TestWhatIsNoCSVIsNamed(t *testing.T) {
	t.Parallel()
	for want, head := range map[string]string{
		"Excel workbook":              "PK\x03\x04rest",
		"a Parquet file":              "PAR1rest",
		"a gzip file":                 "\x1f\x8brest",
		"the file is no text":         "\x7fELF\x02\x01\x01\x00\x00\x00\x00y",
		"the file is UTF-16":          "a\x00,\x00y\x00\n\x00",
		"the file is empty":           " \n\n",
		"CR alone":                    "a,b\r1,2\r3,4\r",
		"names is no CSV":             "a,y,b\"c\n1,2\n3,4\n",
		"has 2 rows; at least 5":      "a,y\n1,2\n3,4\n",
		"no column \"y\" for":         "a,b\n" + strings.Repeat("k,2\n", 9),
		"stands 2 times among":        "y,y\n" + strings.Repeat("1,2\n", 9),
		"one field more than there":   "x,y\n" + strings.Repeat("1,2,\n", 9),
		"no column is left to learn":  "x,y\n" + strings.Repeat("1,2\n1,3\n", 9),
		"is empty in every row":       "x,y\n" + strings.Repeat("1,\n", 9),
		"only 4 of 9 rows have":       "x,y\n" + strings.Repeat("1,\n", 5) + "1,a\n1,a\n1,b\n1,b\n",
		"another text in every row":   "x,y\n" + rows(30, func(i int) string { return fmt.Sprintf("%d,t%d", i%4, i) }),
		"holds dates":                 "x,y\n" + rows(30, func(i int) string { return fmt.Sprintf("%d,2024-01-%02d", i%4, i%28+1) }),
		"numbers, but 1 of its 30":    "x,y\n" + rows(30, func(i int) string { return fmt.Sprintf("%d,%s", i%4, strings.Repeat("x", max(0, i-28))+fmt.Sprint(i)) }),
		"commas separate the fields":  "x,y\n" + rows(30, func(i int) string { return fmt.Sprintf("\"1,%d\",%d", i%4, i%2) }),
		"more than 1000 different va": "x,y\n" + rows(2100, func(i int) string { return fmt.Sprintf("%d,t%d", i%4, i/2) }),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader(head), infer.Options{Target: "y"})
			message, hint, _ := perennial.Explain(err)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			require.Contains(t, message+" "+hint, want)
		})
	}
}

func TestDelimiter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]rune{
		"a,b\n1,2\n":                     ',',
		"a;b\n1,5;2,5\n3,5;4,5\n":        ';',
		"a\tb\n1,2\t3\n":                 '\t',
		"a|b|c\n1|2|3\n":                 '|',
		"\ufeffa;b\n\"x;y\";2\n":         ';',
		"name, first;age\nA, B;1\nC;2\n": ';',
		"a\n1\n":                         0,
		"":                               0,
	} {
		got, ok := infer.Delimiter([]byte(text))
		require.Equal(t, want != 0, ok, text)
		require.Equal(t, want, got, text)
	}
}

// FuzzInfer: whatever the file holds, the answer is an error with a message or a
// draft that reads the very file.
func FuzzInfer(f *testing.F) {
	f.Add([]byte("x,y\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n"), "y", false)
	f.Add([]byte("\ufeffa;b;y\r\n1,5;01.02.2020;x\r\n2,5;03.04.2021;z\r\n3,5;;x\r\n,?;;x\r\n1;;z\r\n\"1.000,5\";;z\r\n"), "y", false)
	f.Add([]byte("\"a\nb\",,,y\n$1,2%,\"1,234\",\n1,2,3,4\n5,6,7,8\n9,10,11,12\n1,2,3,5\n1,1,1,1\n"), "y", true)
	f.Add([]byte("yes|no|y\nt|1e5|0\nf|-3|1\nt|.5|0\nf|+7|1\nt|007|0\nf|1|1\n"), "y", false)
	f.Add([]byte("#: {y}\t\xc2\xa0\ty\n- [a]\t'1\t0\n&b\t*2\t1\n!c\t%3\t0\n@d\t`4\t1\n~\tnull\t0\n"), "y", false)
	f.Fuzz(func(t *testing.T, b []byte, target string, regression bool) {
		o := infer.Options{Target: target}
		if regression {
			o.Task = perennial.Regression
		}
		d, err := infer.Infer(t.Context(), "fuzz.csv", bytes.NewReader(b), o)
		if err != nil {
			message, _, _ := perennial.Explain(err)
			require.NotEmpty(t, message)
			require.NotEqual(t, perennial.CodeInternal, perennial.CodeOf(err), "%v", err)
			return
		}
		p := d.Spec.Pipeline
		table, _, err := dataset.Read(t.Context(), p.Data.Path, b, &d.Spec.Schema, p.Data.CSV)
		require.NoError(t, err, "%s\n%s", d.Pipeline, d.Schema)
		require.Equal(t, d.Rows, table.Rows)
		accepted(t, d)
	})
}

func BenchmarkInfer(b *testing.B) {
	text := "id,when,city,amount,rate,y\n" + rows(100_000, func(i int) string {
		return fmt.Sprintf("c%d,2024-%02d-%02d,city %d,%d.%02d,%d,%d", i, i%12+1, i%28+1, i%900, i%5000, i%100, i%17, i%2)
	})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := infer.Infer(b.Context(), "mine.csv", strings.NewReader(text), infer.Options{Target: "y"}); err != nil {
			b.Fatal(err)
		}
	}
}
