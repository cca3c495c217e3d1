"""
Turns live participants into gauges: reads the store once, makes label sets, values and text.

The content of the store comes in. Collected gauges and the text of a scrape go out, with the
service's own metrics and the fleet's histograms, which count the pushes of this process. This
package remembers only these counts and the last read. It sends nothing: `otlp` sends.
"""
