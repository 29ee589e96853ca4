# SPDX-License-Identifier: Apache-2.0
"""Every module that ships, in one prismd: it runs, or says what this kernel lacks for it."""
import os
import sys

import prism_e2e as e2e
from prism_e2e import Node, wait_for

SHIPPED = sorted(name.removesuffix(".so") for name in os.listdir(e2e.MODULES))


class Legs(e2e.TestCase):
    def test_each_runs_or_says_why_not(self):
        with Node(modules=SHIPPED) as node:
            for name in SHIPPED:
                view = wait_for(f"an end of the start of {name}", lambda n=name: self.settled(node, n))
                reason = (view.get("reason") or {}).get("text", "")
                self.assertIn(view["state"], ("running", "unsupported"), reason)
                if view["state"] == "unsupported":
                    self.assertTrue(reason, name)
                    print(f"UNSUPPORTED: leg {name}: {reason}", file=sys.stderr)

    @staticmethod
    def settled(node, name):
        body = node.module(name)
        view = body.get("module", body)
        return view if view.get("state") in ("running", "unsupported", "failed") else None


if __name__ == "__main__":
    e2e.main()
