package plots

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
)

// png gives the picture's bytes. Colours are rounded to 5 bits a channel, and to 4
// where they are more than 256 even so, which only smooth edges tell; a picture of
// at most 256 of them takes a byte for each pixel, and a quarter of the time and
// the room.
func (f *figure) png() ([]byte, error) {
	drawn := f.image.Image()
	rounded := image.NewRGBA(drawn.Bounds())
	source, plain := drawn.(*image.RGBA)
	if !plain {
		source = rounded
		for y := range rounded.Rect.Dy() {
			for x := range rounded.Rect.Dx() {
				source.Set(x, y, drawn.At(x, y))
			}
		}
	}
	var b bytes.Buffer
	var err error
	indexed := palettize(source, rounded, 5)
	if indexed == nil {
		indexed = palettize(source, rounded, 4)
	}
	if indexed != nil {
		err = png.Encode(&b, indexed)
	} else {
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, rounded)
	}
	return b.Bytes(), err
}

// palettize rounds an opaque picture's colours to so many bits, at most 5, into
// another one of the same size.
// It gives the picture by palette, in the order in which colours first come; nil
// where they are more than 256.
func palettize(source, rounded *image.RGBA, bits int) *image.Paletted {
	var index [1 << 15]uint16 // by rounded colour: its place in the palette, plus 1
	indexed := image.NewPaletted(source.Rect, nil)
	var round [256]uint8 // to the nearest of the levels; white stays white
	levels := 1<<bits - 1
	for v := range round {
		round[v] = uint8((v*levels + 127) / 255 * 255 / levels) //nolint:gosec // at most 255
	}
	for i := 0; i < len(source.Pix); i += 4 {
		r, g, b := source.Pix[i], source.Pix[i+1], source.Pix[i+2]
		c := color.RGBA{round[r], round[g], round[b], 0xFF}
		rounded.Pix[i], rounded.Pix[i+1], rounded.Pix[i+2], rounded.Pix[i+3] = c.R, c.G, c.B, c.A
		if indexed == nil {
			continue
		}
		at := &index[int(c.R>>3)<<10|int(c.G>>3)<<5|int(c.B>>3)]
		if *at == 0 {
			if len(indexed.Palette) == 256 {
				indexed = nil
				continue
			}
			indexed.Palette = append(indexed.Palette, c)
			*at = uint16(len(indexed.Palette)) //nolint:gosec // at most 256
		}
		indexed.Pix[i/4] = uint8(*at - 1) //nolint:gosec // at most 255
	}
	return indexed
}
