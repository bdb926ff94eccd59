package infer

import (
	"strings"
	"time"

	"github.com/perennial-ml/perennial"
)

// dateForm is one way to write dates.
type dateForm struct {
	format string // strftime, as the schema has it
	layout string // the same for package time
	digits bool   // nothing but digits: 20260131
	clock  bool   // has a time of day
}

// dateForms are tried in this order; the first that reads a whole column is its
// format. Padded forms stand before those that take one digit too.
var dateForms = makeDateForms()

func makeDateForms() []dateForm {
	days := []string{
		"%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y",
		"%-d.%-m.%Y", "%-m/%-d/%Y", "%-d/%-m/%Y", "%-d-%-m-%Y", "%-m-%-d-%Y", "%Y-%-m-%-d", "%Y/%-m/%-d",
		"%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%m-%y", "%m-%d-%y", "%-d.%-m.%y", "%-m/%-d/%y", "%-d/%-m/%y",
		"%-d %b %Y", "%-d %B %Y", "%b %-d, %Y", "%B %-d, %Y", "%b %-d %Y", "%B %-d %Y", "%-d-%b-%Y", "%-d-%b-%y", "%Y-%b-%d",
	}
	times := []string{"", " %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M:%SZ", "T%H:%M", "T%H:%MZ", "T%H:%M:%S%z", " %H:%M:%S%z", " %I:%M %p", " %-I:%M %p", " %-I:%M:%S %p"}
	forms := make([]dateForm, 0, len(days)*len(times)+2)
	for _, t := range times {
		for _, d := range days {
			if d == "%Y%m%d" && t != "" {
				continue
			}
			forms = append(forms, newDateForm(d+t))
		}
	}
	return append(forms, newDateForm("%Y-%m"), newDateForm("%Y/%m"))
}

func newDateForm(format string) dateForm {
	c := perennial.Column{Format: format}
	return dateForm{format: format, layout: c.DateLayout(), digits: format == "%Y%m%d", clock: strings.Contains(format, "%M")}
}

// dates narrows down which forms read every cell of a column.
type dates struct {
	open    []int // indexes into dateForms; nil before the first cell
	failed  bool  // no form reads all cells
	midday  bool  // some time of day isn't midnight
	first   time.Time
	last    time.Time // of the forms' first reading
	started bool
}

// add tries the open forms on a cell.
func (d *dates) add(s string) {
	if d.failed {
		return
	}
	if len(s) < 6 || len(s) > 40 || strings.IndexByte("0123456789JFMASOND", s[0]) < 0 {
		d.failed = true
		return
	}
	if !d.started {
		d.started = true
		for i := range dateForms {
			d.open = append(d.open, i)
		}
	}
	kept := d.open[:0]
	var at time.Time
	for _, i := range d.open {
		t, err := time.Parse(dateForms[i].layout, s)
		if err != nil || t.Year() < 1000 {
			continue
		}
		if dateForms[i].digits && (t.Year() < 1900 || t.Year() > 2100) {
			continue
		}
		if len(kept) == 0 {
			at = t
		}
		kept = append(kept, i)
	}
	d.open = kept
	if len(kept) == 0 {
		d.failed = true
		return
	}
	d.span(at)
}

func (d *dates) span(t time.Time) {
	if d.first.IsZero() || t.Before(d.first) {
		d.first = t
	}
	if t.After(d.last) {
		d.last = t
	}
	d.midday = d.midday || t.Hour()+t.Minute()+t.Second() > 0
}

// form gives the format of the column. other is the one that reads it just as
// well with day and month swapped, "" where no such doubt is. With slashes the
// month comes first unless dayFirst says otherwise.
func (d *dates) form(dayFirst bool) (f dateForm, other string, ok bool) {
	if d.failed || len(d.open) == 0 {
		return f, "", false
	}
	f = dateForms[d.open[0]]
	for _, i := range d.open[1:] {
		o := dateForms[i]
		if order(o.format) == order(f.format) || order(f.format)+order(o.format) != 0 {
			continue
		}
		other = o.format
		if dayFirst && order(o.format) > 0 {
			f, other = o, f.format
		}
		break
	}
	return f, other, true
}

// order is 1 for formats with the day before the month in numbers, -1 for those
// with the month first, 0 for all others.
func order(format string) int {
	f := strings.ReplaceAll(format, "%-", "%")
	day, month := strings.Index(f, "%d"), strings.Index(f, "%m")
	switch {
	case day < 0 || month < 0 || strings.HasPrefix(f, "%Y"):
		return 0
	case day < month:
		return 1
	default:
		return -1
	}
}
