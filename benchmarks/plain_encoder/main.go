// Plain_encoder measures what it costs to write an exposition plainly in Go.
//
// It takes an exposition in text format 0.0.4 apart, and prints, as one JSON object, the CPU
// seconds of each time that it wrote all of it again: as text, and as text and gzip.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type label struct {
	name, value string
}

// A sample has a name of its own: those of a histogram end in _bucket, _sum or _count.
type sample struct {
	name   string
	labels []label
	value  float64
}

type family struct {
	name, help, kind string
	samples          []sample
}

type costs struct {
	Text []float64 `json:"text"`
	Gzip []float64 `json:"gzip"`
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plain_encoder:", err)
		os.Exit(1)
	}
}

func run(arguments []string, out io.Writer) error {
	if len(arguments) != 2 {
		return errors.New("usage: plain_encoder FILE RUNS")
	}
	path := arguments[0]
	runs, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	families, err := readFamilies(path)
	if err != nil {
		return err
	}
	e, err := newEncoder(families)
	if err != nil {
		return err
	}
	// What is done but once, growing the buffers, is done here and not measured.
	if err := e.gzip(); err != nil {
		return err
	}
	if err := checkSame(e.encoded, path); err != nil {
		return err
	}
	var measured costs
	if measured.Text, err = measure(runs, e.text); err != nil {
		return err
	}
	if measured.Gzip, err = measure(runs, e.gzip); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(measured)
}

// Measuring.

func measure(runs int, work func() error) ([]float64, error) {
	seconds := make([]float64, 0, runs)
	for i := 0; i < runs; i++ {
		// No run is to pay for what another left behind.
		runtime.GC()
		began := cpuTime()
		if err := work(); err != nil {
			return nil, err
		}
		seconds = append(seconds, (cpuTime() - began).Seconds())
	}
	return seconds, nil
}

// cpuTime gives the time, user and system, that all threads have taken so far.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // Nobody is refused their own usage.
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// checkSame holds what was written to what was read: else it would be other work.
func checkSame(written []byte, path string) error {
	read, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if bytes.Equal(written, read) {
		return nil
	}
	at := 0
	for at < len(written) && at < len(read) && written[at] == read[at] {
		at++
	}
	return fmt.Errorf(
		"differs at byte %d: wrote %q instead of %q", at, lineAt(written, at), lineAt(read, at),
	)
}

func lineAt(text []byte, at int) []byte {
	begin := bytes.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := bytes.Cut(text[begin:], []byte("\n"))
	return line
}

// Writing.

// encoder writes all families again and again, into the same memory.
type encoder struct {
	families []family
	encoded  []byte
	packed   bytes.Buffer
	packer   *gzip.Writer
}

func newEncoder(families []family) (*encoder, error) {
	packer, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return &encoder{families: families, packer: packer}, err
}

func (e *encoder) text() error {
	e.encoded = appendFamilies(e.encoded[:0], e.families)
	return nil
}

func (e *encoder) gzip() error {
	if err := e.text(); err != nil {
		return err
	}
	e.packed.Reset()
	e.packer.Reset(&e.packed)
	if _, err := e.packer.Write(e.encoded); err != nil {
		return err
	}
	return e.packer.Close()
}

func appendFamilies(buf []byte, families []family) []byte {
	for i := range families {
		buf = appendFamily(buf, &families[i])
	}
	return buf
}

func appendFamily(buf []byte, f *family) []byte {
	buf = append(buf, "# HELP "...)
	buf = append(buf, f.name...)
	buf = append(buf, ' ')
	buf = append(buf, helpEscapes.Replace(f.help)...)
	buf = append(buf, "\n# TYPE "...)
	buf = append(buf, f.name...)
	buf = append(buf, ' ')
	buf = append(buf, f.kind...)
	buf = append(buf, '\n')
	for i := range f.samples {
		buf = appendSample(buf, &f.samples[i])
	}
	return buf
}

func appendSample(buf []byte, s *sample) []byte {
	buf = append(buf, s.name...)
	separator := byte('{')
	for i := range s.labels {
		buf = append(buf, separator)
		buf = append(buf, s.labels[i].name...)
		buf = append(buf, `="`...)
		buf = appendEscaped(buf, s.labels[i].value)
		buf = append(buf, '"')
		separator = ','
	}
	if len(s.labels) > 0 {
		buf = append(buf, '}')
	}
	buf = append(buf, ' ')
	buf = appendNumber(buf, s.value)
	return append(buf, '\n')
}

func appendEscaped(buf []byte, value string) []byte {
	copied := 0
	for i := 0; i < len(value); i++ {
		var escape string
		switch value[i] {
		case '\\':
			escape = `\\`
		case '"':
			escape = `\"`
		case '\n':
			escape = `\n`
		default:
			continue
		}
		buf = append(buf, value[copied:i]...)
		buf = append(buf, escape...)
		copied = i + 1
	}
	return append(buf, value[copied:]...)
}

// appendNumber takes an exponent where the exposition does, for a duration of some microseconds.
func appendNumber(buf []byte, value float64) []byte {
	if value != 0 && math.Abs(value) < 1e-4 {
		return strconv.AppendFloat(buf, value, 'e', -1, 64)
	}
	return strconv.AppendFloat(buf, value, 'f', -1, 64)
}

// Reading.

var (
	helpEscapes   = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	helpUnescapes = strings.NewReplacer(`\\`, `\`, `\n`, "\n")
	unescapes     = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")
)

// reader keeps each text once, as a program would that has them as constants and fields.
type reader struct {
	families []family
	texts    map[string]string
}

func readFamilies(path string) ([]family, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := reader{texts: map[string]string{}}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if err := r.take(lines.Text()); err != nil {
			return nil, err
		}
	}
	return r.families, lines.Err()
}

func (r *reader) take(line string) error {
	if head, ok := cutPrefix(line, "# HELP "); ok {
		name, help, _ := strings.Cut(head, " ")
		r.families = append(r.families, family{name: name, help: helpUnescapes.Replace(help)})
		return nil
	}
	if len(r.families) == 0 {
		return fmt.Errorf("no family is begun: %q", line)
	}
	last := &r.families[len(r.families)-1]
	if kind, ok := cutPrefix(line, "# TYPE "+last.name+" "); ok {
		last.kind = kind
		return nil
	}
	read, err := r.sample(line)
	if err != nil {
		return fmt.Errorf("%w: %q", err, line)
	}
	last.samples = append(last.samples, read)
	return nil
}

func (r *reader) sample(line string) (sample, error) {
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return sample{}, errors.New("no sample")
	}
	read := sample{name: r.once(line[:end])}
	rest := line[end:]
	for rest[0] != ' ' {
		pair, after, err := r.label(rest[1:])
		if err != nil {
			return sample{}, err
		}
		read.labels = append(read.labels, pair)
		rest = after
	}
	value, err := strconv.ParseFloat(rest[1:], 64)
	read.value = value
	return read, err
}

// label reads a label, and gives what comes after it: `,` and another one, or the number.
func (r *reader) label(text string) (label, string, error) {
	name, rest, _ := strings.Cut(text, `="`)
	end := closingQuote(rest)
	if end < 0 {
		return label{}, "", errors.New("no label")
	}
	read := label{r.once(name), r.once(unescapes.Replace(rest[:end]))}
	after := strings.TrimPrefix(rest[end+1:], "}")
	if after == "" {
		return label{}, "", errors.New("no number")
	}
	return read, after, nil
}

func (r *reader) once(text string) string {
	kept, ok := r.texts[text]
	if !ok {
		kept = strings.Clone(text)
		r.texts[kept] = kept
	}
	return kept
}

func closingQuote(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

func cutPrefix(text, prefix string) (string, bool) {
	return strings.TrimPrefix(text, prefix), strings.HasPrefix(text, prefix)
}
