package infer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/infer"
)

// column gives a column of a draft's schema.
func column(t *testing.T, d *infer.Draft, name string) perennial.Column {
	t.Helper()
	c, ok := d.Spec.Schema.Column(name)
	require.True(t, ok)
	return c
}

func TestAnAccountantsNegativesAreNumbers(t *testing.T) {
	t.Parallel()
	text := "balance,change,year,y\n" + rows(60, func(i int) string {
		balance := fmt.Sprintf("\"$%d,%03d.50\"", 1+i%7, i)
		if i%3 == 0 {
			balance = fmt.Sprintf("\"($1,%03d.25)\"", i)
		}
		return fmt.Sprintf("%s,%s,(%d),%d", balance, []string{"12", "(7)", "$(3)", "0"}[i%4], 1990+i%5, i%9)
	})
	d := draft(t, text, infer.Options{Target: "y", Task: perennial.Regression})
	csv := d.Spec.Pipeline.Data.CSV
	require.Equal(t, perennial.NegativeParentheses, csv.Negative)
	require.Equal(t, []string{"$"}, csv.Strip)
	require.Contains(t, string(d.Pipeline), "    negative: parentheses   # (12) is -12\n")
	require.Equal(t, perennial.TypeNumeric, column(t, d, "balance").Type)
	require.Less(t, column(t, d, "balance").Range[0], -1057.0)
	require.Less(t, column(t, d, "change").Range[0], -6.9)
	require.Equal(t, perennial.TypeCategorical, column(t, d, "year").Type, "all of them in parentheses say something else")
	trains(t, d, []byte(text))

	plain := draft(t, "x,y\n"+rows(60, func(i int) string { return fmt.Sprintf("%d,%d", i*7%31, i%5) }), infer.Options{Target: "y", Task: perennial.Regression})
	require.Empty(t, plain.Spec.Pipeline.Data.CSV.Negative)
}

func TestYesAndNoInSeveralWaysAreOneBoolean(t *testing.T) {
	t.Parallel()
	text := "member,plain,y\n" + rows(60, func(i int) string {
		return fmt.Sprintf("%s,%s,%d", []string{"Yes", "yes", "YES", "no", "No"}[i%5], []string{"yes", "no"}[i/2%2], i*3%11)
	})
	d := draft(t, text, infer.Options{Target: "y", Task: perennial.Regression})
	require.Equal(t, perennial.TypeBoolean, column(t, d, "member").Type)
	require.Contains(t, string(d.Schema), "written in several ways")
	require.Equal(t, perennial.TypeCategorical, column(t, d, "plain").Type, "written in one way it stays the text that requests send")
	require.Contains(t, string(d.Example), `"member":true`)
	trains(t, d, []byte(text))
}

func TestAClassWrittenInSeveralWaysIsPointedOut(t *testing.T) {
	t.Parallel()
	text := "x,y\n" + rows(90, func(i int) string { return fmt.Sprintf("%d,%s", i*7%31, []string{"Yes", "yes", "no"}[i%3]) })
	d := draft(t, text, infer.Options{Target: "y"})
	require.Contains(t, fmt.Sprint(d.Notes), "\"Yes\" and \"yes\" are two values here, and each is a class of its own; write them alike")
}

func TestANULByteIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	start := "x,y\n" + rows(20, func(i int) string { return fmt.Sprintf("%d,%d", i, i%2) })
	long := "x,y\n" + strings.Repeat("1,2\n3,4\n", 50_000)
	for name, c := range map[string]struct {
		text string
		at   int
	}{
		"near the beginning": {start + "5,\x00\n" + start, len(start) + 2},
		"far behind":         {long + "5,6\x00\n", len(long) + 3},
		"after a mark":       {"\ufeff" + long + "\x00", len(long) + 3},
	} {
		_, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader(c.text), infer.Options{Target: "y"})
		message, hint, _ := perennial.Explain(err)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
		require.Equal(t, fmt.Sprintf("mine.csv: byte %d (counted from 0) is NUL, which no text holds", c.at), message, name)
		require.Contains(t, hint, `tr -d '\000'`)
	}
	wide := strings.Join(strings.Split(start, ""), "\x00") + "\x00"
	_, err := infer.Infer(t.Context(), "mine.csv", strings.NewReader(wide), infer.Options{Target: "y"})
	require.ErrorContains(t, err, "UTF-16")
}

func TestACommaBetweenThousandsIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	text := rows(60, func(i int) string { return fmt.Sprintf("\"%d,%03d\",%d", 1+i%9, i*7%1000, i%5) })
	d := draft(t, "x,y\n"+text, infer.Options{Target: "y", Task: perennial.Regression})
	require.Contains(t, string(d.Schema), "1,234 was read as one thousand and more: a comma between thousands")
	require.NotContains(t, string(d.Schema), "decimal point")
}
