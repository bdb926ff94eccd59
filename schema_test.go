package perennial_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
)

func TestSchemaFindsItsColumns(t *testing.T) {
	t.Parallel()
	s := perennial.Schema{Columns: []perennial.Column{
		{Name: "id", Role: perennial.RoleID}, {Name: "b", Role: perennial.RoleFeature}, {Name: "note", Role: perennial.RoleIgnore},
		{Name: "a", Role: perennial.RoleFeature}, {Name: "y", Role: perennial.RoleTarget},
	}}
	features := s.Features()
	require.Len(t, features, 2)
	require.Equal(t, "b", features[0].Name, "features keep the file's order")
	require.Equal(t, "a", features[1].Name)
	id, ok := s.ID()
	require.True(t, ok)
	require.Equal(t, "id", id.Name)
	target, ok := s.Target()
	require.True(t, ok)
	require.Equal(t, "y", target.Name)
	_, ok = s.Column("nope")
	require.False(t, ok)
	_, ok = (&perennial.Schema{}).Target()
	require.False(t, ok)
}

func TestColumnFromText(t *testing.T) {
	t.Parallel()
	income := perennial.Column{Name: "income", Type: perennial.TypeNumeric, Range: &[2]float64{0, 10}}
	warned := income
	warned.OutOfRange = perennial.RangeWarn
	plan := perennial.Column{Name: "plan", Type: perennial.TypeCategorical, Values: []string{"basic", "plus"}}
	planWarn, planOther := plan, plan
	planWarn.Unknown, planOther.Unknown = perennial.UnknownWarn, perennial.UnknownOther
	date := perennial.Column{Name: "day", Type: perennial.TypeDate}
	moment := perennial.Column{Name: "at", Type: perennial.TypeDate, Format: "%d.%m.%Y %H:%M:%S"}
	integer := perennial.Column{Name: "n", Type: perennial.TypeInteger}
	boolean := perennial.Column{Name: "b", Type: perennial.TypeBoolean}
	for name, c := range map[string]struct {
		column  perennial.Column
		text    string
		want    float64
		rule    string
		warning bool
	}{
		"number":              {income, "1.5", 1.5, "", false},
		"exponent":            {income, "1e0", 1, "", false},
		"range edge":          {income, "10", 10, "", false},
		"over range":          {income, "10.1", 10.1, perennial.RuleRange, false},
		"over range, warned":  {warned, "10.1", 10.1, perennial.RuleRange, true},
		"no number":           {income, "ten", math.NaN(), perennial.RuleType, false},
		"empty":               {income, "", math.NaN(), perennial.RuleType, false},
		"NaN":                 {income, "NaN", math.NaN(), perennial.RuleFinite, false},
		"infinite":            {income, "-Inf", math.NaN(), perennial.RuleFinite, false},
		"overflow":            {income, "1e999", math.NaN(), perennial.RuleFinite, false},
		"integer":             {integer, "-7", -7, "", false},
		"whole float":         {integer, "7.0", 7, "", false},
		"fraction":            {integer, "7.5", math.NaN(), perennial.RuleType, false},
		"true":                {boolean, "true", 1, "", false},
		"zero is false":       {boolean, "0", 0, "", false},
		"no boolean":          {boolean, "maybe", math.NaN(), perennial.RuleType, false},
		"category":            {plan, "plus", 1, "", false},
		"unknown, rejected":   {plan, "gold", 2, perennial.RuleCategory, false},
		"unknown, warned":     {planWarn, "gold", 2, perennial.RuleCategory, true},
		"unknown as other":    {planOther, "gold", 2, "", false},
		"case counts":         {plan, "Plus", 2, perennial.RuleCategory, false},
		"date":                {date, "1970-01-02", 1, "", false},
		"date before 1970":    {date, "1969-12-31", -1, "", false},
		"date and time":       {moment, "02.01.1970 12:00:00", 1.5, "", false},
		"no such day":         {date, "2026-02-30", math.NaN(), perennial.RuleDate, false},
		"other date notation": {date, "01/02/1970", math.NaN(), perennial.RuleDate, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, fault := c.column.FromText(c.text)
			if c.rule == "" {
				require.Nil(t, fault)
			} else {
				require.NotNil(t, fault)
				require.Equal(t, c.rule, fault.Rule)
				require.Equal(t, c.warning, fault.Warning)
				require.Contains(t, fault.Message, c.column.Name)
			}
			if math.IsNaN(c.want) {
				require.True(t, math.IsNaN(v))
			} else {
				require.InDelta(t, c.want, v, 0)
			}
		})
	}
}

func TestColumnTakesOnlyItsJSONType(t *testing.T) {
	t.Parallel()
	columns := map[perennial.ColumnType]perennial.Column{}
	for _, typ := range []perennial.ColumnType{perennial.TypeNumeric, perennial.TypeInteger, perennial.TypeBoolean, perennial.TypeCategorical, perennial.TypeDate} {
		columns[typ] = perennial.Column{Name: "x", Type: typ, Values: []string{"1970-01-01"}}
	}
	for typ, c := range columns {
		_, number := c.FromNumber(1)
		require.Equal(t, typ == perennial.TypeNumeric || typ == perennial.TypeInteger, number == nil, "number as %s", typ)
		_, boolean := c.FromBool(true)
		require.Equal(t, typ == perennial.TypeBoolean, boolean == nil, "boolean as %s", typ)
		_, text := c.FromString("1970-01-01")
		require.Equal(t, typ == perennial.TypeCategorical || typ == perennial.TypeDate, text == nil, "string as %s", typ)
		v, fault := c.Null()
		require.True(t, math.IsNaN(v))
		require.Equal(t, perennial.RuleRequired, fault.Rule)
		c.Nullable = true
		_, fault = c.Null()
		require.Nil(t, fault)
		require.NotEmpty(t, c.TypeLabel())
	}
}

func TestDateFormatsReadWhatTheySay(t *testing.T) {
	t.Parallel()
	const day = 18262 // 2020-01-01
	for format, texts := range map[string]map[string]float64{
		"%-m/%-d/%Y":              {"1/2/2020": day + 1, "01/02/2020": day + 1, "12/31/2019": day - 1},
		"%d.%m.%y":                {"02.01.20": day + 1, "01.01.70": 0},
		"%b %-d, %Y":              {"Jan 2, 2020": day + 1, "Jan 31, 2020": day + 30},
		"%-d %B %Y":               {"1 January 2020": day},
		"%Y-%m-%dT%H:%M:%S%z":     {"2020-01-01T12:00:00Z": day + 0.5, "2020-01-01T12:00:00.25+12:00": day + 0.25/86400},
		"%m/%d/%Y %I:%M %p":       {"01/01/2020 06:00 PM": day + 0.75},
		"%Y-%m-%d %H:%M:%S":       {"2020-01-01 06:00:00": day + 0.25},
		"%-m/%-d/%Y %-I:%M:%S %p": {"1/1/2020 6:00:00 AM": day + 0.25},
	} {
		require.True(t, perennial.ValidDateFormat(format), format)
		c := perennial.Column{Name: "d", Type: perennial.TypeDate, Format: format}
		for text, want := range texts {
			got, fault := c.FromText(text)
			require.Nil(t, fault, "%s in %s", text, format)
			require.InDelta(t, want, got, 1.0/86400, "%s in %s", text, format)
		}
		_, fault := c.FromText("2020-13-45")
		require.NotNil(t, fault)
	}
}

func TestValidDateFormat(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]bool{
		"%Y-%m-%d": true, "%Y%m%d": true, "%d/%m/%Y %H:%M:%S": true, "%Y-%m-%dT%H:%M:%SZ": true, "%Y": true, "%Y%%": true,
		"%y-%m-%d": true, "%-d %B %Y, %-I:%M %p": true, "%Y-%m-%dT%H:%M:%S%z": true,
		"%m-%d": false, "%-Y": false, "%Y %j": false, "%Y%-": false, "%": false, "%Y-%": false, "": false, "%%Y": false,
		"Jan %Y": false, "%Y 15": false, "2006": false,
	} {
		require.Equal(t, want, perennial.ValidDateFormat(format), "%q", format)
	}
}

func TestAWrongDateIsToldWithAnExample(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"":                  "day must be a date like 2025-12-31 (%Y-%m-%d).",
		"%d.%m.%Y":          "day must be a date like 31.12.2025 (%d.%m.%Y).",
		"%m/%d/%y %I:%M %p": "day must be a date like 12/31/25 11:59 PM (%m/%d/%y %I:%M %p).",
	} {
		c := perennial.Column{Name: "day", Type: perennial.TypeDate, Format: format}
		_, fault := c.FromString("soon")
		require.Equal(t, want, fault.Message)
	}
}
