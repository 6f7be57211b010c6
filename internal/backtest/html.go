package backtest

import (
	"html/template"
	"io"
)

var page = template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Foretick backtest</title>
<h1>Backtest</h1><p>Figures of the past. Nothing here is investment advice.</p>
<table><tr><th>series<th>horizon<th>model<th>n<th>CRPS<th>skill<th>coverage 90 %<th>verdict</tr>
{{range .Results}}<tr><td>{{.Series}}<td>{{.Horizon}}<td>{{.Model}}<td>{{.N}}<td>{{printf "%.5g" .CRPS}}<td>{{printf "%.4f" .Skill}}<td>{{printf "%.4f" .Coverage90}}<td>{{.Verdict}}</tr>
{{end}}</table></html>`))

// HTML writes the report as a page that stands on its own.
func (r *Report) HTML(w io.Writer) error { return page.Execute(w, r) }
