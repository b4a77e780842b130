"""Who answers people in conversations: the model that writes, or the catalogue where no model does.

Part of context.py, the one place that chooses concrete classes.
"""

from __future__ import annotations

from agent.context import Models
from ditto_models.assets import cache_folder
from ditto_models.executors.base import Executor
from tools.advisor import Advisor
from tools.catalogue import Catalogue
from tools.catalogue_advisor import CatalogueAdvisor
from tools.catalogue_matcher import CatalogueMatcher
from tools.catalogue_talk import catalogue_talk_options
from tools.edit_types import open_edit_types
from tools.media import Media
from tools.talk_task import open_talk_options


def build_advisor(models: Models, catalogue: Catalogue, media: Media, executor: Executor) -> Advisor:
    """By what the profile says of its writer; what may be offered goes by its editor."""
    embed, kept_at = models.embedder.embed, cache_folder() / "vectors"
    if models.leads.advisor is None:
        return CatalogueAdvisor(catalogue, embed, kept_at)
    if models.is_open:
        options = open_talk_options(open_edit_types(), models.repertoire(catalogue).suited)
    else:
        matcher = CatalogueMatcher(catalogue, embed, kept_at)
        options, embed = catalogue_talk_options(matcher), matcher.embed
    return models.leads.advisor(media, executor, options, embed)
