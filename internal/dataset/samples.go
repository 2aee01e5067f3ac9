package dataset

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"fx/internal/fail"
)

// UnlabelledClass is the class of all photos with Options.Unlabelled.
const UnlabelledClass = "unlabelled"

// labelEndings are the endings of the files beside a photo whose text may be its label, as WebDataset has them, the
// first that occurs deciding for all.
var labelEndings = []string{".cls", ".json", ".txt"}

// isLabel reports whether a member of that name may be a label.
func isLabel(name string) bool {
	return slices.Contains(labelEndings, strings.ToLower(path.Ext(name)))
}

// sampleKey identifies the members of a sample: those of an archive whose names are equal up to the first dot of the
// last component, WebDataset's __key__.
type sampleKey struct {
	archive int
	key     string
}

func (m *archived) sample() sampleKey {
	dir, name := splitRel(m.name)
	key, _, _ := strings.Cut(name, ".")
	return sampleKey{m.archive, joinRel(dir, key)}
}

// label sets the labels of the photos that lie beside them, and reports whether there are any, there or in tables.
func (a *archives) label() (bool, error) {
	if slices.ContainsFunc(a.photos, func(m archived) bool { return m.Label != "" }) {
		return true, nil
	}
	withPhoto := make(map[sampleKey]bool, len(a.photos))
	for i := range a.photos {
		withPhoto[a.photos[i].sample()] = true
	}
	for _, ending := range labelEndings {
		labels := map[sampleKey]string{}
		for i := range a.texts {
			m := &a.texts[i]
			key := m.sample()
			if strings.ToLower(path.Ext(m.name)) != ending || !withPhoto[key] {
				continue
			}
			label, err := labelIn(ending, m.Text)
			if err != nil {
				return false, fail.Wrap(fail.Usage, err,
					"Mend the label, or take the photos without any: --unlabelled.",
					"%s in %s", m.name, a.paths[m.archive])
			}
			if label != "" {
				labels[key] = label
			}
		}
		if len(labels) > 0 {
			for i := range a.photos {
				a.photos[i].Label = labels[a.photos[i].sample()]
			}
			return true, a.checkLabels(ending, labels)
		}
	}
	return false, nil
}

// maxLabel is the largest length of a label in bytes.
const maxLabel = 200

// labelIn returns the label in the text of a file with the ending, or "" if it is about something else.
func labelIn(ending string, text []byte) (string, error) {
	label := strings.TrimSpace(string(text))
	if ending == ".json" {
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			return "", fmt.Errorf("it is no JSON object: %w", err)
		}
		label = ""
		for _, field := range []string{"cls", "label", "class", "class_name"} {
			switch v := fields[field].(type) {
			case string:
				label = strings.TrimSpace(v)
			case float64:
				label = strings.TrimSpace(fmt.Sprint(v))
			}
			if label != "" {
				break
			}
		}
		if label == "" {
			return "", nil
		}
	}
	switch {
	case label == "":
		return "", fmt.Errorf("the label is empty")
	case !utf8.ValidString(label) || strings.ContainsAny(label, "\n\r\x00"):
		return "", fmt.Errorf("the label is not one line of UTF-8")
	case len(label) > maxLabel:
		return "", fmt.Errorf("the label has %d bytes, more than %d", len(label), maxLabel)
	}
	return label, nil
}

// checkLabels returns an error for texts that are captions.
func (a *archives) checkLabels(ending string, labels map[sampleKey]string) error {
	const few = 100
	classes := map[string]bool{}
	for _, label := range labels {
		classes[label] = true
	}
	if ending == ".txt" && len(classes) > few && len(classes) > len(labels)/2 {
		return fail.New(fail.Usage, "Take the photos without labels: --unlabelled.",
			"the %s files beside the photos of %s look like captions, not labels: %d of %d differ", ending, a.root,
			len(classes), len(labels))
	}
	return nil
}

// names returns the names of the archives, relative to the folder around all, with slashes.
func (a *archives) names() []string {
	if a.short != nil {
		return a.short
	}
	around := filepath.Dir(a.paths[0])
	for _, p := range a.paths {
		for around != filepath.Dir(around) && !within(around, filepath.Dir(p)) {
			around = filepath.Dir(around)
		}
	}
	for _, p := range a.paths {
		name, err := filepath.Rel(around, p)
		if err != nil {
			name = filepath.Base(p)
		}
		a.short = append(a.short, filepath.ToSlash(name))
	}
	return a.short
}

// samples returns the labelled photos. Photos without a label are skipped.
func (a *archives) samples(o Options) (*Dataset, error) {
	d := &Dataset{Root: a.root}
	classes, splits := map[string]bool{}, map[string]bool{}
	for i := range a.photos {
		m := &a.photos[i]
		class, split := m.Label, a.splits[m.archive]
		if class == "" {
			a.skip(m.At.String(), "it has no label, as others have")
			continue
		}
		classes[class], splits[split] = true, true
		d.addSample(a.item(m, class, split))
	}
	d.Classes, d.Splits, d.Skipped = sortedKeys(classes), sortedKeys(splits), a.skipped
	if len(d.Classes) == 1 && !o.ByName {
		return nil, fail.New(fail.Usage, "Name archives with photos of at least two classes.",
			"only one class in %s: %s", a.root, d.Classes[0])
	}
	if err := checkSpelling(d.Classes, a.root); err != nil {
		return nil, err
	}
	d.number()
	return d, d.uniqueNames()
}

// addSample adds a photo, which is refused if it is empty.
func (d *Dataset) addSample(item Item) {
	if item.Size == 0 {
		d.Refused = append(d.Refused, Refused{item, EmptyFile})
		return
	}
	d.Items = append(d.Items, item)
}

// uniqueNames returns an error for two photos of one name.
func (d *Dataset) uniqueNames() error {
	seen := make(map[string]bool, len(d.Items))
	for i := range d.Items {
		if rel := d.Items[i].Rel; seen[rel] {
			return fail.New(fail.Usage, "Pack the photos under different names.", "%s is in the archive twice", rel)
		} else {
			seen[rel] = true
		}
	}
	return nil
}
