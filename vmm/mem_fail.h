/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the host that fails under guest RAM: the kernel tells it by SIGBUS, of the thread that touched the page (BUS_MCEERR_AR) or, where the host is set
 * up for that, of the process at once (BUS_MCEERR_AO). One line names the guest's address, and the VM ends with EXIT_INTERNAL: in order if a vCPU met
 * the page or nobody has yet. Code of nidus that met it can neither go on nor be left, since it may hold any lock: the process ends there and then, with
 * the terminal as it was but without a report. What is no guest RAM goes to whoever handled the signal before.
 *
 * Process-wide, as handlers are: one VM at a time.
 */
#ifndef NIDUS_MEM_FAIL_H
#define NIDUS_MEM_FAIL_H

#include "vmm/mem.h"

/* From here on. failed(arg) asks for the end, perhaps more than once: any thread, async-signal-safe. */
void mem_fail_watch(const struct mem *m, void (*failed)(void *arg), void *arg);
/* Does nothing if there is no watch. Before m is destroyed. */
void mem_fail_unwatch(void);

/* What the calling thread touches from here on (true), until it says otherwise, is the guest's doing: around KVM_RUN. */
void mem_fail_in_guest(bool on);

#endif
