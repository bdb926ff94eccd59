package tracking

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// More of MLflow's limits. Lengths are in characters.
const (
	maxKey              = 250
	maxExperimentName   = 500
	maxExperimentTag    = 20_000
	maxArtifactLocation = 2048
	maxDatasetName      = 500
	maxDatasetDigest    = 36
	maxDatasetSource    = 65_535
	maxDatasetSchema    = 1_048_575
	maxDatasetProfile   = 16_777_215
	maxInputTagKey      = 255
	maxBatchBody        = 1_000_000 // bytes
)

// wordsAnd reports whether a text is made of letters and digits, of any script, and
// of some signs.
func wordsAnd(signs, text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsNumber(c) && !strings.ContainsRune(signs, c)
	})
}

// checkKey refuses what MLflow takes for no key of a metric, param or tag: it may
// become the name of a file.
func checkKey(what, key string) error {
	switch clean := path.Clean(key); {
	case key == "":
		return required("key")
	case tooLong(key, maxKey):
		return mlflow.Invalid("%s '%s…' had length %d, which exceeded length limit of %d", what, mlflow.Truncate(key, maxKey), utf8.RuneCountInString(key), maxKey)
	case !wordsAnd("_/.- :", key):
		return mlflow.Invalid("Invalid %s name: '%s'. Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:), and slashes (/).", what, key)
	case clean != key, clean == ".", strings.HasPrefix(clean, ".."), strings.HasPrefix(clean, "/"):
		return mlflow.Invalid("Invalid %s name: '%s'. Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '%s'", what, key, clean)
	}
	return nil
}

// checkLength refuses a text of too many characters.
func checkLength(what, text string, limit int) error {
	if tooLong(text, limit) {
		return mlflow.Invalid("'%s' exceeds the maximum length of %d characters: it has %d", what, limit, utf8.RuneCountInString(text))
	}
	return nil
}

// required is the error of a field that must come.
func required(name string) error {
	return mlflow.Invalid("Missing value for required parameter '%s'. See the API docs for more information about request parameters.", name)
}

// checkTags checks the tags of a new run or one that is there, and shortens their
// values as MLflow does.
func checkTags(tags []mlflow.Tag) error {
	for i, t := range tags {
		if err := checkKey("tag", t.Key); err != nil {
			return err
		}
		tags[i].Value = mlflow.Truncate(t.Value, mlflow.MaxTag)
	}
	return nil
}

// checkLongTags refuses tags whose key is wrong or whose value is too long.
func checkLongTags(tags []mlflow.Tag, most int) error {
	for _, t := range tags {
		if err := checkKey("tag", t.Key); err != nil {
			return err
		}
		if tooLong(t.Value, most) {
			return mlflow.Invalid("Tag value '%s' had length %d, which exceeded length limit of %d", clip(t.Value), utf8.RuneCountInString(t.Value), most)
		}
	}
	return nil
}

// tooLong reports whether a text has more than so many characters.
func tooLong(text string, most int) bool {
	return len(text) > most && utf8.RuneCountInString(text) > most
}

// clip shortens what is quoted in a message.
func clip(text string) string {
	if len(text) <= 100 {
		return text
	}
	return strings.ToValidUTF8(text[:100], "") + "…"
}
