package models_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

var provenance = models.Provenance{DataMD5: "d41d8cd98f00b204e9800998ecf8427e", Seed: 42, Trainer: "test"}

// files gives one model file of each algorithm, with a table it can answer.
func files(tb testing.TB) (map[string][]byte, *perennial.Table) {
	tb.Helper()
	out := map[string][]byte{}
	table := churn(tb)
	for _, name := range []string{"logistic_regression", "malaschitz_forest", "random_forest", "extra_trees"} {
		spec := models.Spec{Task: perennial.Classification, Algorithm: name, Seed: 7, Positive: "yes"}
		if name != "logistic_regression" {
			spec.Params = map[string]any{"trees": 3} // small files fuzz faster
		}
		m := fit(tb, spec, table, all(table))
		m.SetProvenance(provenance)
		b, err := m.Encode()
		require.NoError(tb, err)
		out[name] = b
	}
	m := fit(tb, models.Spec{Task: perennial.Regression, Algorithm: "ridge", Params: map[string]any{"alpha": 2}}, regression(tb), all(table))
	b, err := m.Encode()
	require.NoError(tb, err)
	out["ridge"] = b
	return out, table
}

// regression is churn with income as the target.
func regression(tb testing.TB) *perennial.Table {
	tb.Helper()
	t := churn(tb)
	t.Schema.Columns[3].Role, t.Schema.Columns[6].Role = perennial.RoleTarget, perennial.RoleIgnore
	for i := range t.Columns[3].Numbers {
		t.Columns[3].Numbers[i] = float64(i) / 3
	}
	return t
}

func TestDifferenceNamesTheSection(t *testing.T) {
	t.Parallel()
	table := regression(t)
	file := func(alpha float64, p models.Provenance) []byte {
		m := fit(t, models.Spec{Task: perennial.Regression, Algorithm: "ridge", Params: map[string]any{"alpha": alpha}}, table, all(table))
		m.SetProvenance(p)
		b, err := m.Encode()
		require.NoError(t, err)
		return b
	}
	one := file(1, provenance)
	require.Empty(t, models.Difference(one, file(1, provenance)))
	require.Equal(t, "HEAD (schema, preparation and parameters as configured)", models.Difference(one, file(2, models.Provenance{})))
	require.Equal(t, "PROV (provenance)", models.Difference(one, file(1, models.Provenance{})))
	require.Equal(t, "the file's frame", models.Difference(one, one[:40]))
}

func TestFileIsLossless(t *testing.T) {
	t.Parallel()
	encoded, table := files(t)
	for name, b := range encoded {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := models.Decode(b)
			require.NoError(t, err)
			require.Equal(t, name, m.Algorithm())
			again, err := m.Encode()
			require.NoError(t, err)
			require.Equal(t, b, again)
			data := table
			if name == "ridge" {
				data = regression(t)
				require.Equal(t, map[string]any{"alpha": 2.0}, m.Params())
			} else {
				require.Equal(t, provenance, m.Provenance())
			}
			_, err = m.PredictTable(data, all(data))
			require.NoError(t, err)
			require.Equal(t, 12, m.Profile().Rows)
		})
	}
}

func TestDecodedModelPredictsTheSameBits(t *testing.T) {
	t.Parallel()
	table := churn(t)
	for _, name := range []string{"logistic_regression", "malaschitz_forest", "random_forest", "extra_trees"} {
		m := fit(t, models.Spec{Task: perennial.Classification, Algorithm: name}, table, all(table))
		b, err := m.Encode()
		require.NoError(t, err)
		decoded, err := models.Decode(b)
		require.NoError(t, err)
		want, err := m.PredictTable(table, all(table))
		require.NoError(t, err)
		got, err := decoded.PredictTable(table, all(table))
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, m.Params(), decoded.Params())
		require.Equal(t, m.Schema(), decoded.Schema())
		require.Equal(t, m.FeatureNames(), decoded.FeatureNames())
	}
}

func TestEqualInputsGiveEqualBytes(t *testing.T) {
	t.Parallel()
	var first []byte
	for threads := range 4 {
		table := churn(t)
		m := fit(t, models.Spec{Task: perennial.Classification, Algorithm: "logistic_regression", Threads: threads, Params: map[string]any{"c": 2}}, table, all(table))
		m.SetProvenance(provenance)
		b, err := m.Encode()
		require.NoError(t, err)
		if first == nil {
			first = b
		}
		require.Equal(t, first, b)
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	t.Parallel()
	encoded, _ := files(t)
	b := encoded["logistic_regression"]
	for i := range b {
		flipped := slices.Clone(b)
		flipped[i] ^= 1 << (i % 8)
		_, err := models.Decode(flipped)
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err), "byte %d", i)
		message, hint, _ := perennial.Explain(err)
		require.NotEmpty(t, message)
		require.True(t, i < 8 || hint != "")
	}
	for n := range b {
		_, err := models.Decode(b[:n])
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err), "cut to %d", n)
	}
}

// seal gives a changed file a matching checksum.
func seal(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(slices.Clone(b), sum[:]...)
}

func TestSealedNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	encoded, _ := files(t)
	body := encoded["logistic_regression"]
	body = body[:len(body)-sha256.Size]
	change := func(old, with string) []byte {
		require.Equal(t, 1, bytes.Count(body, []byte(old)), old)
		require.Len(t, with, len(old))
		return bytes.Replace(body, []byte(old), []byte(with), 1)
	}
	newer := slices.Clone(body)
	binary.LittleEndian.PutUint32(newer[8:], 2)
	long := slices.Clone(body)
	binary.LittleEndian.PutUint64(long[16:], 1<<63)
	for name, c := range map[string]struct {
		body []byte
		code perennial.Code
		want string
	}{
		"a newer format":           {newer, perennial.CodeInvalid, "format 2"},
		"a section too long":       {long, perennial.CodeMalformed, "cut off"},
		"bytes behind":             {append(slices.Clone(body), 0), perennial.CodeMalformed, "follow its last section"},
		"an unknown algorithm":     {change(`"algorithm":"logistic_regression"`, `"algorithm":"logistic_regressiom"`), perennial.CodeInvalid, "no algorithm"},
		"a wrong task":             {change(`"task":"classification"`, `"task":"classificatiom"`), perennial.CodeMalformed, "isn't for"},
		"a parameter out of range": {change(`"max_iter":1000`, `"max_iter":0000`), perennial.CodeMalformed, ""},
		"a wrong positive class":   {change(`"positive":"yes"`, `"positive":"yep"`), perennial.CodeMalformed, "positive class"},
		"a section out of order":   {change("PROV", "PREP"), perennial.CodeMalformed, "section PROV is missing"},
		"another column":           {change(`"name":"income","kind"`, `"name":"incame","kind"`), perennial.CodeMalformed, "income"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := models.Decode(seal(c.body))
			require.Equal(t, c.code, perennial.CodeOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// FuzzDecode feeds bytes as they are and with a matching checksum, so that the
// fuzzer gets past it.
func FuzzDecode(f *testing.F) {
	encoded, _ := files(f)
	for _, b := range encoded {
		f.Add(b[:len(b)-sha256.Size])
	}
	for _, name := range []string{"lightgbm zero_as_missing", "xgboost categories"} {
		from := foreigners(f)[name]
		_, b := from.load(f)
		f.Add(b[:len(b)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = models.Decode(b)
		m, err := models.Decode(seal(b))
		if err != nil {
			require.NotEqual(t, perennial.CodeInternal, perennial.CodeOf(err))
			return
		}
		row := make([]float64, len(m.Schema().Features()))
		m.Predict(row, m.NewScratch())
		for i := range row {
			row[i] = nan
		}
		m.Predict(row, m.NewScratch())
		again, err := m.Encode()
		require.NoError(t, err)
		_, err = models.Decode(again)
		require.NoError(t, err)
	})
}
