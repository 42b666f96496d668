// SPDX-License-Identifier: MPL-2.0
// Reads a log of HdrHistogram by others' library, and prints what is in it as JSON: per line its
// times, tag, count, and between what each percentile of the query lies.
//
//     NODE_PATH=… node read-hdr.js FILE [PERCENT]...
"use strict";
const fs = require("node:fs");
const hdr = require("hdr-histogram-js");

const [file, ...percents] = process.argv.slice(2);
const reader = new hdr.HistogramLogReader(fs.readFileSync(file, "utf8"));
const lines = [];
for (let histogram; (histogram = reader.nextIntervalHistogram()); ) {
  const percentiles = {};
  for (const percent of percents) {
    const value = histogram.getValueAtPercentile(Number(percent));
    percentiles[percent] = [histogram.lowestEquivalentValue(value), histogram.highestEquivalentValue(value)];
  }
  lines.push({
    start_msec: histogram.startTimeStampMsec,
    end_msec: histogram.endTimeStampMsec,
    tag: histogram.tag === "NO TAG" ? null : histogram.tag,
    count: histogram.totalCount,
    mean: histogram.mean,
    percentiles,
  });
}
console.log(JSON.stringify(lines));
