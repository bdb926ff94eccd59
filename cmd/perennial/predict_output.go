package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// answerRow is a row with its answer, or with what the model refused it for.
type answerRow struct {
	inputRow
	client.Answer
	version string
	fault   string
}

// answerWriter writes one answer after another.
type answerWriter interface {
	write(a *answerRow) error
	flush() error
}

// jsonAnswers writes one object a line.
type jsonAnswers struct {
	buf *bufio.Writer
	enc *json.Encoder
}

func newJSONAnswers(w io.Writer) *jsonAnswers {
	buf := bufio.NewWriter(w)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	return &jsonAnswers{buf: buf, enc: enc}
}

func (j *jsonAnswers) write(a *answerRow) error {
	return j.enc.Encode(struct {
		Row int    `json:"row"`
		Key string `json:"key,omitempty"`
		client.Answer
		Version string `json:"version,omitempty"`
		Error   string `json:"error,omitempty"`
	}{a.number, a.key, a.Answer, a.version, a.fault})
}

func (j *jsonAnswers) flush() error { return j.buf.Flush() }

// csvAnswers writes one line an answer: row, the id column's value where the
// schema has one, the prediction, each class's probability, id, version, error.
type csvAnswers struct {
	csv     *csv.Writer
	id      string // name of the id column
	classes []string
	begun   bool
}

func newCSVAnswers(w io.Writer, schema *perennial.Schema) *csvAnswers {
	out := &csvAnswers{csv: csv.NewWriter(w)}
	if id, ok := schema.ID(); ok {
		out.id = id.Name
	}
	if target, ok := schema.Target(); ok && target.Type != perennial.TypeNumeric {
		out.classes = target.Values
	}
	return out
}

func (c *csvAnswers) write(a *answerRow) error {
	if err := c.header(); err != nil {
		return err
	}
	line := []string{strconv.Itoa(a.number)}
	if c.id != "" {
		line = append(line, a.key)
	}
	prediction := ""
	if a.Prediction != nil {
		prediction = answerText(a.Prediction)
	}
	line = append(line, prediction)
	for _, class := range c.classes {
		text := ""
		if v, ok := a.Probabilities[class]; ok {
			text = strconv.FormatFloat(v, 'g', -1, 64)
		}
		line = append(line, text)
	}
	return c.csv.Write(append(line, a.PredictionID, a.version, a.fault))
}

func (c *csvAnswers) header() error {
	if c.begun {
		return nil
	}
	c.begun = true
	line := []string{"row"}
	if c.id != "" {
		line = append(line, c.id)
	}
	line = append(line, "prediction")
	for _, class := range c.classes {
		line = append(line, "probability_"+class)
	}
	return c.csv.Write(append(line, "prediction_id", "version", "error"))
}

// flush writes the header also where there was no row.
func (c *csvAnswers) flush() error {
	if err := c.header(); err != nil {
		return err
	}
	c.csv.Flush()
	return c.csv.Error()
}
