// Package plots draws the pictures of a run from the numbers of package evaluate:
// PNG, 800 × 600 pixels, colours that people with any colour vision can tell
// apart (Okabe and Ito, "Color Universal Design", 2008), the legend outside of
// the data.
//
// A picture is a pure function of its numbers: equal numbers give equal bytes on
// one architecture and build. There is no I/O. Each picture has a name; its
// numbers, as JSON, and its bytes are kept side by side under that name.
//
// Start reading at Draw.
package plots
