/* SPDX-License-Identifier: MPL-2.0 */
/* The assembler takes the files as they are. Where they are is the build's to say: HTML_DIR. */
#include "outputs/html_assets.h"

#define ASSET(name, file)                                                                          \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #name "\n"                                                                  \
            ".hidden " #name "\n"                                                                  \
            ".type " #name ", %object\n" #name ":\n"                                               \
            ".incbin \"" HTML_DIR "/" file "\"\n"                                                  \
            ".byte 0\n"                                                                            \
            ".size " #name ", . - " #name "\n"                                                     \
            ".popsection\n")

ASSET(html_page_css, "page.css");
ASSET(html_page_js, "page.js");
ASSET(html_uplot_css, "uPlot.min.css");
ASSET(html_uplot_js, "uPlot.iife.min.js");
ASSET(html_uplot_license, "uPlot.LICENSE");
