"""Templates of rule files, made into Jinja2: each construct that the sources use, and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_translation import UntranslatableError, translated
from electric_agents_exporter.alerting.facts import Facts, RunnerFamilies
from electric_agents_exporter.alerting.templates import Labels, Text

FACTS = Facts(time=3_600.0, monotonic=0.0, families=RunnerFamilies(), servers=("b", "a"))
LABELS = Labels({"server": "prod", "kind": "server", "odd": "a b"})

SAID = {
    "nothing to fill in: 50 %, {} and 'quotes'": "nothing to fill in: 50 %, {} and 'quotes'",
    "{{ $value }}": "12.5",
    "{{$value}}": "12.5",
    "{{ $labels.server }}": "prod",
    "{{ $labels.none }}": "",
    "{{ $labels.odd | urlquery }}": "a+b",
    "{{ urlquery $labels.odd }}": "a+b",
    "{{ $value | humanizeDuration }}": "12.5s",
    "{{ $value | humanizePercentage }}": "1250%",
    '{{ $value | printf "%.0f" }}': "12",
    '{{ printf "%.2f" $value }}': "12.50",
    "{{ if $labels.server }}yes{{ end }}": "yes",
    "{{ if $labels.none }}yes{{ end }}": "",
    "{{ if $labels.none }}yes{{ else }}no{{ end }}": "no",
    '{{ if ne $labels.server "prod" }}other{{ else }}same{{ end }}': "same",
    "{{ if gt $value 12 }}more{{ end }}{{ if lt $value 12 }}less{{ end }}": "more",
    '{{ if match "^(?:ser.*)$" $labels.kind }}lasts{{ else }}goes{{ end }}': "lasts",
    '{{ if match "^(?:erver)$" $labels.kind }}lasts{{ else }}goes{{ end }}': "goes",
    '{{ if match "erve" $labels.kind }}within{{ end }}': "within",
    "{{ with $labels.server }}/{{ . }}{{ end }}": "/prod",
    "{{ with $labels.none }}/{{ . }}{{ end }}": "",
    "{{ with of_job }}{{ with . | first }}{{ .Labels.server }}{{ end }}{{ end }}": "b",
    "{{ of_job }}": None,
    '{{ with of_job }}{{ with (. | first | label "server") }}{{ . }}{{ end }}{{ end }}': "b",
    "{{ range of_job }} {{ .Labels.server }}{{ end }}": " b a",
    '{{ range of_job | sortByLabel "server" }} {{ .Labels.server }}{{ end }}': " a b",
    "{{ range of_job }}{{ .Labels.none }}{{ end }}": "",
    "{{ range $i, $one := of_job }}{{ if lt $i 1 }}{{ $one.Labels.server }}{{ end }}{{ end }}": "b",
    "{{ with of_job }}{{ if gt (len .) 1 }}many{{ end }}{{ end }}": "many",
    '{{ hour_ago | first | value | printf "%.0f" }}': "0",
    "{{ with info }}known{{ end }}": "",
    '{{ with reasons | sortByLabel "reason" }}known{{ end }}': "",
    '{{ with of_runner "electric_agents_runner_info" }}known{{ end }}': "",
    '{{ with of_server "electric_agents_runner_condition" "kind" "kind" "a|b" }}known{{ end }}': "",
    '{{ with "a \\"quoted\\" \\\\ word ü" }}{{ . }}{{ end }}': 'a "quoted" \\ word ü',
}
"""Templates, and what they say; None where it is nothing that can be said."""


@pytest.mark.parametrize("template, said", SAID.items())
def test_a_template_says_what_it_says_in_prometheus(template: str, said: str | None) -> None:
    text = Text(translated(template)).render(LABELS, 12.5, FACTS)

    if said is None:
        assert text.startswith("<error expanding template: ")
    else:
        assert text == said


REFUSED = {
    "{{ $labels }}": "'the end' stands where a field should",
    "{{ $labels.a.b }}": "'$labels.a.b': '.b' is not expected",
    "{{ $externalLabels.a }}": "$externalLabels is not known",
    "{{ .Value }}": "'.Value' stands in no with or range",
    "{{ . }}": "'.' stands in no with or range",
    "{{ with $value }}{{ .Value }}{{ end }}": ".Value is not .Labels.NAME",
    "{{ query }}": "'query' is no function that is translated",
    '{{ query "up" }}': "'query' is no function that is translated",
    "{{ $value | toUpper }}": "'toUpper' is no function that is translated",
    "{{ $value | urlquery 1 }}": "'urlquery' has 2 arguments",
    '{{ printf "%d" $value }}': 'printf "%d" is not %.0f or the like',
    "{{ if $value }}": "{{ if }} has no {{ end }}",
    "{{ end }}": "{{ end }} is not translated here",
    "{{ else }}": "{{ else }} is not translated here",
    "{{ with $value }}{{ else }}{{ end }}": "{{ else }} is not translated here",
    "{{ if $value }}{{ else }}{{ else }}{{ end }}": "{{ else }} is not translated here",
    "{{ if $value }}{{ else if $value }}{{ end }}": "{{ else if $value }} is not translated here",
    '{{ define "a" }}': '{{ define "a" }} is not translated here',
    '{{ template "a" }}': '{{ template "a" }} is not translated here',
    "{{ range $one := of_job }}{{ end }}": "range $one is not two names of its own",
    "{{ range $i, $it := of_job }}{{ end }}": "range $i, $it is not two names of its own",
    "{{ range $i, $one := of_job }}{{ end }}{{ $i }}": "$i is not known",
    "{{ $x := 1 }}": "$x is not known",
    "{{- $value }}": "'- $value' is not translated here",
    "{{ $value -}}": "'-' is not translated here",
    "{{ /* a comment */ }}": "'/* a comment */' is not translated here",
    "{{ `raw` }}": "'`raw`' is not translated here",
    "{{ }}": "'the end' stands where",
    "{{ ($value }}": "(value) is not closed",
    "{{ $value | }}": "'the end' stands where a name should",
    "{% if value %}": "'{% if value %}' would open a tag",
    "{# a comment #}": "'{# a comment #}' would open a tag",
    "{{ $value": "'{{ $value' would open a tag",
}


@pytest.mark.parametrize("template, fault", REFUSED.items())
def test_what_no_source_uses_is_refused(template: str, fault: str) -> None:
    with pytest.raises(UntranslatableError) as refused:
        translated(template)

    assert str(refused.value).startswith(fault)


_WORDS = st.sampled_from(
    [
        *("{{ ", " }}", "if", "with", "range", "else", "end", "$value", "$labels.a", ".", " | "),
        *("first", "len", "(", ")", '"a"', "1", "{%", "#}", " ", "$i, $one :=", "of_job", "\n"),
    ]
)


@given(st.lists(_WORDS, max_size=12).map("".join))
def test_whatever_is_translated_is_a_template(template: str) -> None:
    try:
        made = translated(template)
    except UntranslatableError:
        return
    Text(made).render(LABELS, 12.5, FACTS)
