package plots

import (
	"image/color"
	"math"
	"strconv"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// The palette of Okabe and Ito without its yellow, which is too pale for lines.
var palette = []color.RGBA{
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xD5, 0x5E, 0x00, 0xFF}, // vermilion
	{0x00, 0x9E, 0x73, 0xFF}, // bluish green
	{0xCC, 0x79, 0xA7, 0xFF}, // reddish purple
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x56, 0xB4, 0xE9, 0xFF}, // sky blue
	{0x00, 0x00, 0x00, 0xFF}, // black
	{0x99, 0x99, 0x99, 0xFF}, // grey
}

var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xFF}
	faint = color.RGBA{0x66, 0x66, 0x66, 0xFF}
	rule  = color.RGBA{0xE4, 0xE4, 0xE4, 0xFF}
)

// dashes tell lines apart besides their colours, from the second one on.
var dashes = [][]vg.Length{
	nil, {6, 3}, {2, 2}, {8, 3, 2, 3}, nil, {6, 3}, {2, 2}, {8, 3, 2, 3},
}

// Sizes of text, in points.
const (
	titleSize = 14
	labelSize = 11
	tickSize  = 10
	edge      = vg.Length(10) // around everything
)

// figure is a picture in the making: a heading and a legend at the top, and the
// rest for panels.
type figure struct {
	image *vgimg.Canvas
	rest  draw.Canvas
}

// key is one entry of a legend.
type key struct {
	label  string
	color  color.Color
	dashes []vg.Length
	dot    bool // a dot instead of a line
}

// newFigure gives a figure of the full height with its heading and legend.
func newFigure(title, subtitle string, legend ...key) *figure {
	return newFigureOf(Height, title, subtitle, legend...)
}

// newFigureOf gives a figure of a height in pixels.
func newFigureOf(height vg.Length, title, subtitle string, legend ...key) *figure {
	inch := func(pixels vg.Length) vg.Length { return pixels / pixelsPerInch * vg.Inch }
	img := vgimg.NewWith(vgimg.UseWH(inch(Width), inch(height)), vgimg.UseDPI(pixelsPerInch))
	all := draw.New(img)
	f := &figure{image: img, rest: draw.Crop(all, edge, -edge, edge, -edge)}
	f.line(title, styled(titleSize, ink, true))
	for _, l := range f.wrapped(subtitle, styled(labelSize, faint, false)) {
		f.line(l, styled(labelSize, faint, false))
	}
	if len(legend) > 0 {
		f.legend(legend)
	}
	f.rest = draw.Crop(f.rest, 0, 0, 0, -6)
	return f
}

func styled(size vg.Length, c color.Color, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return text.Style{Color: c, Font: f, Handler: plot.DefaultTextHandler}
}

// wrapped breaks a text at its semicolons into lines that have room.
func (f *figure) wrapped(s string, style text.Style) []string {
	var lines []string
	for part := range strings.SplitSeq(s, "; ") {
		last := len(lines) - 1
		switch {
		case part == "":
		case last >= 0 && style.Width(lines[last]+"; "+part) <= f.rest.Size().X:
			lines[last] += "; " + part
		default:
			lines = append(lines, part)
		}
	}
	return lines
}

// line writes one line at the top of what is left.
func (f *figure) line(s string, style text.Style) {
	style.YAlign = text.YTop
	f.rest.FillText(style, vg.Point{X: f.rest.Min.X, Y: f.rest.Max.Y}, s)
	f.rest.Max.Y -= style.Font.Size * 1.35
}

// legend writes its entries side by side, in as many lines as they need.
func (f *figure) legend(entries []key) {
	style := styled(labelSize, ink, false)
	style.YAlign = text.YCenter
	const sample, gap, after, height = vg.Length(22), vg.Length(5), vg.Length(16), vg.Length(16)
	x := f.rest.Min.X
	for _, e := range entries {
		width := sample + gap + style.Width(e.label)
		if x > f.rest.Min.X && x+width > f.rest.Max.X {
			x = f.rest.Min.X
			f.rest.Max.Y -= height
		}
		y := f.rest.Max.Y - height/2
		if e.dot {
			f.rest.DrawGlyph(draw.GlyphStyle{Color: e.color, Radius: 3.5, Shape: draw.CircleGlyph{}}, vg.Point{X: x + sample/2, Y: y})
		} else {
			f.rest.StrokeLine2(draw.LineStyle{Color: e.color, Width: 2, Dashes: e.dashes}, x, y, x+sample, y)
		}
		f.rest.FillText(style, vg.Point{X: x + sample + gap, Y: y}, e.label)
		x += width + after
	}
	f.rest.Max.Y -= height
}

// panel draws a plot into a part of what is left, given in shares of its width.
func (f *figure) panel(p *plot.Plot, left, right float64) {
	w := float64(f.rest.Size().X)
	p.Draw(draw.Crop(f.rest, vg.Length(left*w), vg.Length((right-1)*w), 0, 0))
}

// newPlot gives axes in our style, with a grid.
func newPlot(x, y string) *plot.Plot {
	p := newAxes(x, y)
	grid := plotter.NewGrid()
	grid.Vertical = draw.LineStyle{Color: rule, Width: 0.75}
	grid.Horizontal = grid.Vertical
	p.Add(grid)
	return p
}

func newAxes(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle = merged(axis.Label.TextStyle, styled(labelSize, ink, false))
		axis.Tick.Label = merged(axis.Tick.Label, styled(tickSize, ink, false))
		axis.LineStyle = draw.LineStyle{Color: faint, Width: 0.75}
		axis.Tick.LineStyle = draw.LineStyle{Color: faint, Width: 0.75}
		axis.Padding = 0
		axis.Tick.Marker = plot.TickerFunc(ticks)
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}

// merged keeps the alignment and rotation of a style.
func merged(old, style text.Style) text.Style {
	style.XAlign, style.YAlign, style.Rotation = old.XAlign, old.YAlign, old.Rotation
	return style
}

// ticks gives about six round numbers: steps of 1, 2 or 5 times a power of ten.
func ticks(low, high float64) []plot.Tick {
	power := math.Pow(10, math.Floor(math.Log10((high-low)/6)))
	step := power
	for _, factor := range []float64{2, 5, 10} {
		if (high-low)/step > 7 {
			step = factor * power
		}
	}
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var out []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i <= math.Floor(high/step+1e-9) && len(out) < 20; i++ {
		v := i * step
		label := strconv.FormatFloat(v, 'f', decimals, 64)
		if decimals > 6 || math.Abs(v) >= 1e7 {
			label = figures(v)
		}
		if i == 0 {
			label = "0"
		}
		out = append(out, plot.Tick{Value: v, Label: label})
	}
	return out
}

// shares makes an axis one of shares: 0 to 1 in fifths.
func shares(a *plot.Axis) {
	const margin = 0.01
	a.Min, a.Max = -margin, 1+margin
	var at []plot.Tick
	for i := range shareTicks + 1 {
		v := float64(i) / shareTicks
		at = append(at, plot.Tick{Value: v, Label: figures(v)})
	}
	a.Tick.Marker = plot.ConstantTicks(at)
}

// names makes an axis one of things, at 0, 1, 2 and so on.
func names(a *plot.Axis, labels []string) {
	at := make([]plot.Tick, len(labels))
	for i, l := range labels {
		at[i] = plot.Tick{Value: float64(i), Label: short(l)}
	}
	a.Tick.Marker = plot.ConstantTicks(at)
	a.Tick.Length = 0
	a.Min, a.Max = -0.5, float64(len(labels))-0.5
}

// line adds a line to a plot.
func line(p *plot.Plot, points plotter.XYs, style draw.LineStyle) {
	p.Add(&plotter.Line{XYs: points, LineStyle: style})
}

// dots adds dots to a plot.
func dots(p *plot.Plot, points plotter.XYs, c color.Color, radius vg.Length) {
	p.Add(&plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: c, Radius: radius, Shape: draw.CircleGlyph{}}})
}

// transparent gives a colour with an opacity, premultiplied.
func transparent(c color.RGBA, alpha float64) color.RGBA {
	of := func(v uint8) uint8 { return uint8(float64(v)*alpha + 0.5) }
	return color.RGBA{of(c.R), of(c.G), of(c.B), of(0xFF)}
}

// note writes a text beside a point of a plot, to the right of it.
type note struct {
	x, y float64
	text string
}

func (n note) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := styled(tickSize, ink, false)
	style.YAlign = text.YCenter
	c.FillText(style, vg.Point{X: x(n.x) + 4, Y: y(n.y)}, n.text)
}
