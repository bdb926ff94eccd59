package dataset_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
)

// churn has a column of every role and type.
func churn() *perennial.Schema {
	return &perennial.Schema{Version: 1, Columns: []perennial.Column{
		{Name: "customer_id", Role: perennial.RoleID},
		{Name: "signup_date", Role: perennial.RoleFeature, Type: perennial.TypeDate},
		{Name: "plan", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, Values: []string{"basic", "plus", "pro"}, Unknown: perennial.UnknownWarn},
		{Name: "postcode", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, MaxValues: 200},
		{Name: "income", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Range: &[2]float64{0, 1e6}, OutOfRange: perennial.RangeWarn, Nullable: true},
		{Name: "tenure", Role: perennial.RoleFeature, Type: perennial.TypeInteger, Range: &[2]float64{0, 240}},
		{Name: "is_student", Role: perennial.RoleFeature, Type: perennial.TypeBoolean},
		{Name: "notes", Role: perennial.RoleIgnore},
		{Name: "churned", Role: perennial.RoleTarget, Type: perennial.TypeCategorical, Values: []string{"no", "yes"}},
	}}
}

const (
	churnHeader = "customer_id,signup_date,plan,postcode,income,tenure,is_student,churned\n"
	churnRow    = "c1,2026-03-01,basic,1010,1200.5,12,false,no\n"
)

var nulls = perennial.CSVOptions{NullValues: []string{"", "NA"}}

func read(t *testing.T, text string, o perennial.CSVOptions) (*perennial.Table, dataset.Report, error) {
	t.Helper()
	return dataset.Read(t.Context(), "churn.csv", []byte(text), churn(), o)
}

func TestReadFillsTheTableInSchemaOrder(t *testing.T) {
	t.Parallel()
	table, report, err := read(t, "churned,extra,plan,postcode,income,tenure,is_student,customer_id,signup_date\n"+
		"no,?,basic,1010,1200.5,12,false,c1,1970-01-02\n"+
		"yes,?,gold,\"2, rue \"\"x\"\"\",NA,240,1,c2,1970-01-03\n"+
		"yes,?,pro,1010,2e6,0,TRUE,c3,1970-01-01\n", nulls)
	require.NoError(t, err)
	require.Equal(t, 3, table.Rows)
	require.Len(t, table.Columns, 9)
	require.Equal(t, []string{"c1", "c2", "c3"}, table.Keys())
	require.Equal(t, []float64{1, 2, 0}, table.Columns[1].Numbers)
	require.Equal(t, []string{"basic", "gold", "pro"}, table.Columns[2].Dict, "original text, in order of appearance")
	require.Equal(t, []int32{0, 1, 0}, table.Columns[3].Codes)
	require.Equal(t, []string{"1010", `2, rue "x"`}, table.Columns[3].Dict)
	require.InDelta(t, 1200.5, table.Columns[4].Numbers[0], 0)
	require.True(t, math.IsNaN(table.Columns[4].Numbers[1]))
	require.Equal(t, []float64{0, 1, 1}, table.Columns[6].Numbers)
	require.Equal(t, perennial.Series{}, table.Columns[7], "an ignored column is empty")
	require.Equal(t, []dataset.Warning{
		{Column: "plan", Rule: perennial.RuleCategory, Count: 1, Line: 3, Came: "gold", Message: "plan is not one of the 3 known values."},
		{Column: "income", Rule: perennial.RuleRange, Count: 1, Line: 4, Came: "2e6", Message: "income is outside 0 to 1e+06."},
	}, report.Warnings)
	require.Equal(t, 3, report.Rows)
}

func TestReadTakesEveryNotation(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte(churnHeader + churnRow))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for name, c := range map[string]struct {
		file, text string
		options    perennial.CSVOptions
	}{
		"plain":              {"a.csv", churnHeader + churnRow, nulls},
		"zero options":       {"a.csv", churnHeader + churnRow, perennial.CSVOptions{}},
		"byte order mark":    {"a.csv", "\xef\xbb\xbf" + churnHeader + churnRow, nulls},
		"CRLF":               {"a.csv", strings.ReplaceAll(churnHeader+churnRow, "\n", "\r\n"), nulls},
		"no last line end":   {"a.csv", strings.TrimSuffix(churnHeader+churnRow, "\n"), nulls},
		"gzip":               {"a.CSV.gz", zipped.String(), nulls},
		"tabs":               {"a.csv", strings.ReplaceAll(churnHeader+churnRow, ",", "\t"), perennial.CSVOptions{Delimiter: "\t"}},
		"German":             {"a.csv", strings.ReplaceAll(strings.ReplaceAll(churnHeader+churnRow, ",", ";"), "1200.5", "1200,5"), perennial.CSVOptions{Delimiter: ";", Decimal: ","}},
		"spaces":             {"a.csv", strings.ReplaceAll(churnHeader+"c1,2026-03-01,basic,\"1010\",1200.5,12,false,no \n", ",", ",  "), nulls},
		"English":            {"a.csv", strings.ReplaceAll(churnHeader+churnRow, "1200.5", `"$1,200.50"`), perennial.CSVOptions{Thousands: ",", Strip: []string{"$"}}},
		"two ignored alike":  {"a.csv", "x,notes,notes,x," + churnHeader + "1,2,3,4," + churnRow, nulls},
		"quoted header":      {"a.csv", `"customer_id"` + strings.TrimPrefix(churnHeader, "customer_id") + churnRow, nulls},
		"columns reshuffled": {"a.csv", "churned,signup_date,plan,postcode,income,tenure,is_student,customer_id\nno,2026-03-01,basic,1010,1200.5,12,false,c1\n", nulls},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, report, err := dataset.Read(t.Context(), c.file, []byte(c.text), churn(), c.options)
			require.NoError(t, err)
			require.Equal(t, 1, table.Rows)
			require.Empty(t, report.Warnings)
			require.InDelta(t, 1200.5, table.Columns[4].Numbers[0], 0)
			require.Equal(t, []string{"no"}, table.Columns[8].Dict)
		})
	}
}

func TestReadNamesEveryFault(t *testing.T) {
	t.Parallel()
	type fault struct {
		path, rule string
		line       int
	}
	for name, c := range map[string]struct {
		text string
		want []fault
	}{
		"values": {churnHeader + churnRow +
			"c2,01.02.2026,basic,1010,x,12.5,maybe,\n" + // date, number, integer, boolean, target null
			"\n" +
			",2026-03-01,,1010,,500,0,perhaps\n", // id null, category null, out of range, unknown target
			[]fault{
				{"/rows/1/signup_date", "date", 3}, {"/rows/1/income", "type", 3}, {"/rows/1/tenure", "type", 3}, {"/rows/1/is_student", "type", 3}, {"/rows/1/churned", "required", 3},
				{"/rows/2/customer_id", "required", 5}, {"/rows/2/plan", "required", 5}, {"/rows/2/tenure", "range", 5}, {"/rows/2/churned", "category", 5},
			}},
		"line of a field after a line break": {churnHeader + "c1,2026-03-01,basic,\"10\n10\",x,12,false,no\n", []fault{{"/rows/0/income", "type", 3}}},
		"missing columns":                    {"customer_id,plan\nc1,basic\n", []fault{{"/columns/signup_date", "required", 1}, {"/columns/postcode", "required", 1}, {"/columns/income", "required", 1}, {"/columns/tenure", "required", 1}, {"/columns/is_student", "required", 1}, {"/columns/churned", "required", 1}}},
		"column twice":                       {"plan," + churnHeader + "basic," + churnRow, []fault{{"/columns/plan", "duplicate", 1}}},
		"ragged":                             {churnHeader + "c1,2026\n" + churnRow + "c2,2026-03-01,basic,1010,1200.5,12,false,no,more\n", []fault{{"/rows/0", "ragged", 2}, {"/rows/2", "ragged", 4}}},
		"bare quote":                         {churnHeader + "c\"1,2026-03-01,basic,1010,1200.5,12,false,no\n" + churnRow, []fault{{"/rows/0", "syntax", 2}}},
		"open quote":                         {churnHeader + churnRow + "\"c1,2026-03-01\n\n\n", []fault{{"/rows/1", "syntax", 3}}},
		"not UTF-8":                          {churnHeader + "c1,2026-03-01,basic,\xff,1200.5,12,false,no\n", []fault{{"/rows/0/postcode", "syntax", 2}}},
		"no rows":                            {churnHeader, []fault{{"/rows", "empty", 1}}},
		"empty":                              {"", []fault{{"", "empty", 0}}},
		"only line ends":                     {"\n\n", []fault{{"", "empty", 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, _, err := read(t, c.text, nulls)
			require.Nil(t, table)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			_, _, fields := perennial.Explain(err)
			var got []fault
			for _, f := range fields {
				require.Equal(t, "churn.csv", f.File)
				require.NotEmpty(t, f.Message)
				got = append(got, fault{f.Path, f.Rule, f.Line})
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestReadLeavesOutRowsWithoutATarget(t *testing.T) {
	t.Parallel()
	options := perennial.CSVOptions{NullValues: []string{"", "NA"}, NullTarget: perennial.NullTargetDrop}
	text := churnHeader + "c0,never looked at,,,,,,NA\n" + churnRow + "c2,2026-03-01,basic,1010,NA,12,false,\n"
	table, report, err := read(t, text, options)
	require.NoError(t, err)
	require.Equal(t, 1, table.Rows)
	require.Equal(t, []string{"c1"}, table.Keys())
	require.Equal(t, []dataset.Warning{{Column: "churned", Rule: "required", Count: 2, Line: 2, Came: "NA", Message: "A row without churned is left out."}}, report.Warnings)
	_, _, err = read(t, strings.ReplaceAll(text, "no\n", "NA\n"), options)
	require.ErrorContains(t, err, "no row has a target")
	_, _, err = read(t, text, nulls)
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), "without the option they are faults")
}

func TestNumbersReadsOtherNotations(t *testing.T) {
	t.Parallel()
	us, eu, swiss := dataset.Numbers{Thousands: ",", Strip: []string{"$", "%"}}, dataset.Numbers{Comma: true, Thousands: ".", Strip: []string{"EUR", "€"}}, dataset.Numbers{Thousands: "'"}
	accounts := dataset.Numbers{Thousands: ",", Strip: []string{"$"}, Parens: true}
	for _, c := range []struct {
		form     dataset.Numbers
		in, want string
	}{
		{us, "1,234,567.5", "1234567.5"},
		{us, "-$1,234", "-1234"},
		{us, "$-1,234", "-1234"},
		{us, "12.5 %", "12.5"},
		{us, "1234.5", "1234.5"},
		{us, "12,34", ""},
		{us, "1,2345", ""},
		{us, "1.234,567", ""},
		{us, ",123", ""},
		{eu, "1.234,5 €", "1234.5"},
		{eu, "EUR 3,5", "3.5"},
		{eu, "1.5", ""},
		{eu, "1,5.000", ""},
		{swiss, "1'000'000.25", "1000000.25"},
		{dataset.Numbers{Comma: true}, "1.000,5", ""},
		{dataset.Numbers{}, "1.5", "1.5"},
		{accounts, "(12)", "-12"},
		{accounts, "$(1,234.5)", "-1234.5"},
		{accounts, "( $5 )", "-5"},
		{accounts, "-5", "-5"},
		{accounts, "(-5)", ""},
		{accounts, "((5))", ""},
	} {
		got, ok := c.form.Plain(c.in)
		require.Equal(t, c.want != "", ok, c.in)
		require.Equal(t, c.want, got, c.in)
	}
}

func TestReadListsTwentyFaultsAndCountsAll(t *testing.T) {
	t.Parallel()
	_, _, err := read(t, churnHeader+strings.Repeat("c1,2026-03-01,basic,1010,"+strings.Repeat("9", 500)+"x,12,false,no\n", 57), nulls)
	message, hint, fields := perennial.Explain(err)
	require.Len(t, fields, 20)
	require.Contains(t, message, "churn.csv has 57 faults, of which the first 20 are listed; line 2: income must be a number.")
	require.NotEmpty(t, hint)
	require.Less(t, len(fields[0].Came.(string)), 100, "long values are cut")
}

func TestReadTreatsExtraColumnsAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(churnHeader, "\n", ",more,notes\n") + strings.ReplaceAll(churnRow, "\n", ",1,2\n")
	for policy, want := range map[perennial.ExtraColumns]string{perennial.ExtraIgnore: "", perennial.ExtraWarn: "warning", perennial.ExtraReject: "fault", "": ""} {
		schema := churn()
		schema.ExtraColumns = policy
		_, report, err := dataset.Read(t.Context(), "a.csv", []byte(text), schema, nulls)
		require.Equal(t, want == "fault", err != nil, policy)
		if want == "warning" {
			require.Equal(t, []dataset.Warning{{Column: "more", Rule: "extra", Count: 1, Line: 1, Message: `The column "more" isn't in the schema.`}}, report.Warnings)
		} else {
			require.Empty(t, report.Warnings)
		}
	}
}

func TestReadRefusesWhatItCantRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, text string
		options    perennial.CSVOptions
		code       perennial.Code
		message    string
	}{
		"parquet":           {"a.parquet", "PAR1", nulls, perennial.CodeInvalid, "reads CSV only"},
		"other":             {"a.xlsx", "PK", nulls, perennial.CodeInvalid, "no data file"},
		"broken gzip":       {"a.csv.gz", "\x1f\x8bxx", nulls, perennial.CodeMalformed, "gzip"},
		"UTF-16":            {"a.csv", "\xff\xfea\x00", nulls, perennial.CodeInvalid, "UTF-16"},
		"delimiter":         {"a.csv", churnHeader + churnRow, perennial.CSVOptions{Delimiter: "::"}, perennial.CodeInvalid, "one character"},
		"quote delimiter":   {"a.csv", churnHeader + churnRow, perennial.CSVOptions{Delimiter: `"`}, perennial.CodeInvalid, "one character"},
		"decimal":           {"a.csv", churnHeader + churnRow, perennial.CSVOptions{Decimal: "'"}, perennial.CodeInvalid, "decimal sign"},
		"comma twice":       {"a.csv", churnHeader + churnRow, perennial.CSVOptions{Decimal: ","}, perennial.CodeInvalid, "both"},
		"thousands grouped": {"a.csv", strings.ReplaceAll(churnHeader, ",", ";") + "c1;2026-03-01;basic;1010;1.200,5;12;0;no\n", perennial.CSVOptions{Delimiter: ";", Decimal: ","}, perennial.CodeInvalid, "decimal comma and no point"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := dataset.Read(t.Context(), c.file, []byte(c.text), churn(), c.options)
			require.Equal(t, c.code, perennial.CodeOf(err))
			message, _, _ := perennial.Explain(err)
			require.Contains(t, message, c.message)
		})
	}
}

func TestReadStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := dataset.Read(ctx, "churn.csv", []byte(churnHeader+churnRow), churn(), nulls)
	require.Equal(t, perennial.CodeDeadline, perennial.CodeOf(err))
	require.ErrorIs(t, err, context.Canceled)
}

// housing is a table as large as California Housing.
func housing() (*perennial.Schema, []byte) {
	schema, rng := &perennial.Schema{}, rand.New(rand.NewPCG(1, 2)) //nolint:gosec // test data
	var b bytes.Buffer
	for c := range 9 {
		role := perennial.RoleFeature
		if c == 8 {
			role = perennial.RoleTarget
		}
		schema.Columns = append(schema.Columns, perennial.Column{Name: fmt.Sprint("c", c), Role: role, Type: perennial.TypeNumeric})
		fmt.Fprintf(&b, "%sc%d", strings.Repeat(",", min(c, 1)), c)
	}
	for range 20640 {
		b.WriteByte('\n')
		for c := range 9 {
			fmt.Fprintf(&b, "%s%g", strings.Repeat(",", min(c, 1)), rng.Float64()*100)
		}
	}
	return schema, b.Bytes()
}

func BenchmarkReadCaliforniaHousing(b *testing.B) {
	schema, text := housing()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		table, _, err := dataset.Read(b.Context(), "housing.csv", text, schema, perennial.CSVOptions{})
		if err != nil || table.Rows != 20640 {
			b.Fatal(err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(churnHeader+churnRow), false, ",")
	f.Add([]byte("\xef\xbb\xbf"+churnHeader+churnRow+churnRow), true, ";")
	f.Add([]byte(churnHeader+"\"c1,2026"), false, "\t")
	f.Add([]byte(strings.Repeat(",", 500)+"\n"+strings.Repeat("\n,", 500)), false, ",")
	f.Fuzz(func(t *testing.T, b []byte, zip bool, delimiter string) {
		name := "a.csv"
		if zip {
			name = "a.csv.gz"
		}
		table, report, err := dataset.Read(t.Context(), name, b, churn(), perennial.CSVOptions{Delimiter: delimiter, NullValues: []string{""}})
		if err != nil {
			message, _, fields := perennial.Explain(err)
			require.NotEmpty(t, message)
			require.LessOrEqual(t, len(fields), 20)
			return
		}
		require.Positive(t, table.Rows)
		require.Equal(t, table.Rows, report.Rows)
		for i, c := range table.Schema.Columns {
			if c.Role != perennial.RoleIgnore {
				require.Equal(t, table.Rows, len(table.Columns[i].Numbers)+len(table.Columns[i].Codes), c.Name)
			}
		}
		require.Len(t, table.Keys(), table.Rows)
	})
}
