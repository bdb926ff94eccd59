package tracking

import (
	"strings"
	"unicode/utf8"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// checkTag refuses a tag whose key is wrong or whose value is too long.
func checkTag(key, value string, most int) error {
	if err := checkKey("tag", key); err != nil {
		return err
	}
	if tooLong(value, most) {
		return mlflow.Invalid("Tag value '%s' had length %d, which exceeded length limit of %d", clip(value), utf8.RuneCountInString(value), most)
	}
	return nil
}

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
