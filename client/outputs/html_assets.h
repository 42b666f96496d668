/* SPDX-License-Identifier: MPL-2.0 */
/* The files in html/, which are in the program, as texts. */
#ifndef LOADS_OUTPUTS_HTML_ASSETS_H
#define LOADS_OUTPUTS_HTML_ASSETS_H

extern const char html_page_css[], html_page_js[];
extern const char html_uplot_css[], html_uplot_js[], html_uplot_license[];

#endif
