/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nidus check: what this host can do, and what to fix.
 */
#ifndef NIDUS_CHECK_H
#define NIDUS_CHECK_H

#include <stdio.h>

#include "firmware/boot.h"
#include "vmm/bits.h"
#include "vmm/config.h"
#include "vmm/mem.h"

/*
 * Checks KVM (c->kvm_fd, or /dev/kvm) and runs a tiny guest in it; one line each to f, or one JSON object with c->json. EXIT_OK, or EXIT_HOST (with
 * c->skip EXIT_SKIP) if a guest kernel could not run here. Takes up to CHECK_GUEST_MS.
 */
int check_main(const struct vm_config *c, FILE *f) __must_check;

#define CHECK_GUEST_MS 10000

/* --- the tiny guest: check_ARCH.c --- */

/* RAM it needs, from address 0, and its two ports: any write to the first means done, to the second an exception. */
#define CHECK_GUEST_RAM MiB(2)
#define CHECK_GUEST_PORT 0xf4

/* Puts it into RAM. 0 or -errno. */
int check_guest_load(const struct mem *m, struct boot_entry *entry) __must_check;
/* What it was doing when it stopped, in words; m is the RAM it ran in. */
const char *check_guest_step(const struct mem *m);

#endif
