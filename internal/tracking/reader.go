package tracking

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// newReader gives what makes an In of a request: GET has it in the query, the
// others in a JSON body; the path's own parameters come last. A GET without a query
// may have a body too.
func newReader[In any](method string) func(c *fiber.Ctx) (*In, error) {
	fields := map[string][]int{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[In]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" && !f.Anonymous {
			fields[name] = f.Index
		}
	}
	return func(c *fiber.Ctx) (*In, error) {
		in := new(In)
		v := reflect.ValueOf(in).Elem()
		args := c.Context().QueryArgs()
		var err error
		if method == http.MethodGet && (args.Len() > 0 || len(c.Request().Body()) == 0) {
			err = readQuery(v, fields, args)
		} else {
			err = readBody(c.Get(fiber.HeaderContentType), c.Request().Body(), in)
			if b, ok := any(in).(bounded); ok && err == nil {
				err = b.bound(len(c.Request().Body()))
			}
		}
		if err != nil {
			return nil, err
		}
		return in, readPath(v, fields, c)
	}
}

// bounded is a request that refuses a body of too many bytes.
type bounded interface{ bound(size int) error }

// readBody decodes a JSON object. An empty body is an empty object.
func readBody(contentType string, body []byte, in any) error {
	if len(body) == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || media != fiber.MIMEApplicationJSON {
		return mlflow.Invalid("Bad Request. Content-Type must be one of ['application/json'].")
	}
	err = json.Unmarshal(body, in)
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		if quoted := quoteNumbers(body); len(quoted) > len(body) {
			err = json.Unmarshal(quoted, in)
		}
	}
	if fault, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if fault.Field == "" {
			return mlflow.Invalid("Bad Request. The body must be a JSON object, not %s.", fault.Value)
		}
		if number, ok := strings.CutPrefix(fault.Value, "number "); ok {
			return mlflow.Invalid("Invalid value for parameter '%s' supplied: %s is beyond the range of %s.", fault.Field, number, inRange(fault.Type))
		}
		return mlflow.Invalid("Invalid value for parameter '%s' supplied: %s where %s is wanted. See the API docs for more information about request parameters.",
			fault.Field, fault.Value, wanted(fault.Type))
	}
	if err != nil {
		return mlflow.Invalid("Bad Request. The body is no JSON: %v", err)
	}
	return nil
}

// pythonNumbers are what Python writes into JSON that isn't JSON, the longest first.
var pythonNumbers = []string{"-Infinity", "Infinity", "NaN"}

// quoteNumbers puts Python's NaN and infinities into quotes, in which they are
// understood.
func quoteNumbers(body []byte) []byte {
	var out []byte
	inString := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if inString && c == '\\' && i+1 < len(body) {
			out = append(out, c, body[i+1])
			i++
			continue
		}
		if c == '"' {
			inString = !inString
		}
		word := ""
		for _, w := range pythonNumbers {
			if !inString && word == "" && bytes.HasPrefix(body[i:], []byte(w)) {
				word = w
			}
		}
		if word == "" {
			out = append(out, c)
			continue
		}
		out = append(append(append(out, '"'), word...), '"')
		i += len(word) - 1
	}
	return out
}

// inRange names the numbers that a type holds.
func inRange(t reflect.Type) string {
	if t.Kind() == reflect.Int64 {
		return "whole numbers of 64 bits"
	}
	return "numbers of 64 bits (±1.8e308)"
}

// wanted names a Go type in JSON's words.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "a string"
	}
}

// readQuery fills fields from a query. A list is a parameter that comes again and
// again; of anything else the last one counts. Unknown names are ignored.
func readQuery(v reflect.Value, fields map[string][]int, args *fasthttp.Args) error {
	for name, value := range args.All() {
		index, ok := fields[string(name)]
		if !ok {
			continue
		}
		if err := setText(v.FieldByIndex(index), string(name), string(value)); err != nil {
			return err
		}
	}
	return nil
}

// readPath fills fields from the path's parameters.
func readPath(v reflect.Value, fields map[string][]int, c *fiber.Ctx) error {
	for _, name := range c.Route().Params {
		index, ok := fields[name]
		if !ok {
			continue
		}
		value, err := url.PathUnescape(strings.Clone(c.Params(name)))
		if err != nil {
			return mlflow.Invalid("Invalid value for parameter '%s' supplied: it is badly escaped.", name)
		}
		if err := setText(v.FieldByIndex(index), name, value); err != nil {
			return err
		}
	}
	return nil
}

// setText sets one field from a text.
func setText(v reflect.Value, name, text string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	ok := true
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Slice:
		item := reflect.New(v.Type().Elem()).Elem()
		if err := setText(item, name, text); err != nil {
			return err
		}
		v.Set(reflect.Append(v, item))
	case reflect.Int64:
		var n mlflow.Int
		if n, ok = mlflow.ParseInt(text); ok {
			v.SetInt(int64(n))
		}
	case reflect.Float64:
		var n mlflow.Number
		if n, ok = mlflow.ParseNumber(text); ok {
			v.SetFloat(float64(n))
		}
	case reflect.Bool:
		switch text {
		case "True", "true", "1":
			v.SetBool(true)
		case "False", "false", "0":
			v.SetBool(false)
		default:
			ok = false
		}
	default:
		ok = false // nothing that a query can hold
	}
	if !ok {
		return mlflow.Invalid("Invalid value \"%s\" for parameter '%s' supplied: %s is wanted. See the API docs for more information about request parameters.",
			text, name, wanted(v.Type()))
	}
	return nil
}
