import json
import sys

from django.core.management.base import BaseCommand

from services_app.status import judge, page, report


class Command(BaseCommand):
    help = "What runs here, how it is, and what needs a person, with the command that cures it. Exit status: 0 well, 1 warning, 2 critical."
    requires_system_checks = []  # what they find is a line of the page

    def add_arguments(self, parser):
        parser.add_argument("--json", action="store_true", help="the same for programs")

    def handle(self, *args, **options):
        told = report.report()
        self.stdout.write(json.dumps(told, indent=1) if options["json"] else "\n".join(page.lines(told)))
        sys.exit(judge.worst(told["problems"]))
