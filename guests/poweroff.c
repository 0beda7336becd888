/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 0
/* The sleep control register ends the VM with status 0. */
#include "guests/lib/guest.h"

void guest_main(void)
{
}
