// Package dataset turns files into tables and decides which rows may be trained
// on (DESIGN §4): Read decodes CSV against a schema, Split makes the sides of
// the first version of the base data, Extend those of every later row, CheckLeak
// refuses a training whose rows meet its evaluation rows, and Snapshot names all
// of it by hashes.
//
// It works on bytes and tables: it opens no file, knows no DVC and keeps no
// state. Start reading at Read, then Split.
package dataset
