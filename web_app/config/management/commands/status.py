import json
import sys

from django.core.management.base import BaseCommand

from web_app.status import judge, page, report, services


class Command(BaseCommand):
    help = (
        "What runs on both tiers, how it is, and what needs a person, with the command that cures it. "
        "Exit status: 0 well, 1 warning, 2 critical."
    )
    requires_system_checks = []  # what they find is a line of the page

    def add_arguments(self, parser):
        parser.add_argument("--json", action="store_true", help="the same for programs")

    def handle(self, *args, **options):
        here = report.report()
        there, there_as_lines, theirs = services.ask()
        if options["json"]:
            both = [{"tier": tier, **one} for tier, found in (("web", here["problems"]), ("services", theirs)) for one in found]
            self.stdout.write(json.dumps({"web": here, "services": there, "problems": both}, indent=1))
        else:
            # The services tier's lines end with its own problems; where it cannot be asked, that is the problem.
            said = [*page.lines(here), *page.problem_lines(here["problems"]), *(there_as_lines or page.problem_lines(theirs))]
            self.stdout.write("\n".join(said))
        sys.exit(judge.worst(here["problems"] + theirs))
