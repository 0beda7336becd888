/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 80
/* A triple fault counts as a panic. */
#include "guests/lib/guest.h"

void guest_main(void)
{
	say_pass();
	cpu_triple_fault();
}
