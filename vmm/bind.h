/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nidus bind|unbind BDF: gives a function to vfio-pci, and back to the driver that would have it. The only things in nidus that touch
 * the host's bindings. Both can be repeated; nothing is remembered but the function's driver_override.
 */
#ifndef NIDUS_BIND_H
#define NIDUS_BIND_H

#include "vmm/bits.h"

/* sys: HOST_SYS. 0, or EXIT_USAGE, EXIT_NOINPUT or EXIT_HOST after one log_error line. */
int bind_main(const char *sys, const char *bdf) __must_check;
int unbind_main(const char *sys, const char *bdf) __must_check;

#endif
