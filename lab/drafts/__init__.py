"""What drafts save when votes are drawn, and what learning to draft costs."""
