/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nidus show WHAT`: what a guest of a configuration would see, without KVM and without opening its files.
 *
 *   acpi     every table, as acpidump prints them; with a folder: NAME.dat each
 *   memmap   memory map, PCI windows, registers, ports and interrupt lines
 *   pci      functions with their addresses
 *   config   the configuration as JSON
 *   man      nidus.1 (manual.h)
 *   completion  for bash (completion.h)
 */
#ifndef NIDUS_SHOW_H
#define NIDUS_SHOW_H

#include <stdio.h>

#include "vmm/config.h"

/* Prints to stdout, or writes into out_dir (created) if it is not NULL. 0, or an exit status after one log_error line. */
int show_main(const char *what, const struct vm_config *c, const char *out_dir) __must_check;

/* The same to any stream. */
int show_print(FILE *f, const char *what, const struct vm_config *c) __must_check;

#endif
